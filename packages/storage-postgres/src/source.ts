import { JobistemerError } from '@jobistemer/core'
import { earOfClient, earOfPool, type OpenEar } from './ear.ts'
import type { PostgresClient, PostgresConnection, PostgresPool } from './options.ts'
import { hasState, isBroken } from './postgres-errors.ts'
import { JobAppeared } from './save-jobs.ts'

type Use<T> = (connection: PostgresConnection) => Promise<T>

/** The origin of connections: a pool or a single client. */
export interface Source {
  /** Describes where the data are, for messages. Contains no secrets. */
  readonly place: string
  /** Reserves a connection for this call. `expired` rejects when the caller's time limit has passed. */
  use<T>(body: Use<T>, expired: Promise<never>): Promise<T>
  /** Like {@link use}, within one transaction: commits when `body` resolves, otherwise rolls back. */
  transaction<T>(body: Use<T>, expired: Promise<never>): Promise<T>
  /** Whether the source replaces a broken connection by another one. */
  readonly replacesConnections: boolean
  /** Whether connections accept named statements, as those of `pg` do. */
  readonly takesNames: boolean
  /** Opens a separate connection that listens; `null` if the source cannot. */
  readonly listen: OpenEar | null
  close(): Promise<void>
}

/** The statement names the isolation level, because a database or a user may have another default. */
const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE'

async function inTransaction<T>(connection: PostgresConnection, body: Use<T>): Promise<T> {
  await connection.query(begin)
  try {
    const answer = await body(connection)
    await connection.query('COMMIT')
    return answer
  } catch (error) {
    // If the connection has ended, the server has rolled back. Without an open transaction, ROLLBACK only warns.
    if (!isBroken(error)) await connection.query('ROLLBACK')
    throw error
  }
}

/**
 * Returns whether a statement may still run in the server: its caller has given up, or the error comes from the driver,
 * not from the server.
 */
function mayStillRun(error: unknown): boolean {
  if (isBroken(error)) return true
  if (JobistemerError.isInstance(error, 'STORAGE_BUSY') || JobistemerError.isInstance(error, 'STORAGE_UNREACHABLE')) {
    return true
  }
  // The driver rejected a parameter value, or could not read an answer. In both cases no statement is still running.
  if (error instanceof TypeError || error instanceof SyntaxError) return false
  return !hasState(error) && !JobistemerError.isInstance(error) && !(error instanceof JobAppeared)
}

/**
 * Events of a `pg` client and of a pool. Both emit `error` after an idle connection broke. A pool also emits `connect`
 * after it has opened a connection.
 */
interface Emitter {
  on?(event: 'error' | 'connect', listener: (news: Emitter) => void): unknown
  off?(event: 'error', listener: (news: Emitter) => void): unknown
}

const ignore = () => {}

const guarded = new WeakSet<PostgresPool>()

/**
 * Adds `error` listeners to a pool and its connections, because an `error` event without a listener ends the process. A
 * new connection may emit the event before its caller receives the connection. An idle connection emits the event at
 * each restart of the server. Connections outlive the end of their pool for a short time.
 */
function guardConnections(pool: PostgresPool): void {
  if (guarded.has(pool)) return
  guarded.add(pool)
  const emitter: Emitter = pool as Emitter
  emitter.on?.('error', ignore)
  emitter.on?.('connect', (connection) => void connection.on?.('error', ignore))
}

/** A source that takes its connections from a pool. */
export class PoolSource implements Source {
  readonly place: string
  readonly listen: OpenEar | null
  readonly replacesConnections = true
  readonly takesNames: boolean
  readonly #pool: PostgresPool
  readonly #end: (() => Promise<void>) | null

  /** `end` closes a pool that the storage has created; `null` for a pool of the user. */
  constructor(pool: PostgresPool, place: string, end: (() => Promise<void>) | null) {
    this.#pool = pool
    this.place = place
    this.listen = earOfPool(pool)
    this.#end = end
    this.takesNames = end !== null
    guardConnections(pool)
  }

  async use<T>(body: Use<T>, expired: Promise<never>): Promise<T> {
    const connection = await this.#connect(expired)
    // A reserved connection has no `error` listener. If the connection broke between two statements, its `error` event
    // would end the process.
    const emitter: Emitter = connection as Emitter
    emitter.on?.('error', ignore)
    let broken: Error | undefined
    try {
      return await Promise.race([body(connection), expired])
    } catch (error) {
      // A statement that still runs on this connection must not mix with the statements of the next caller.
      if (mayStillRun(error)) broken = error as Error
      throw error
    } finally {
      emitter.off?.('error', ignore)
      // A connection that was removed from the pool may still emit an `error` event.
      if (broken !== undefined) emitter.on?.('error', ignore)
      connection.release(broken)
    }
  }

  async #connect(expired: Promise<never>): ReturnType<PostgresPool['connect']> {
    const connecting = this.#pool.connect()
    try {
      return await Promise.race([connecting, expired])
    } catch (error) {
      connecting.then((connection) => connection.release(), ignore)
      throw error
    }
  }

  async transaction<T>(body: Use<T>, expired: Promise<never>): Promise<T> {
    return await this.use(async (connection) => await inTransaction(connection, body), expired)
  }

  async close(): Promise<void> {
    await this.#end?.()
  }
}

/** A single connection, which calls use one after the other. */
export class ClientSource implements Source {
  readonly place: string
  readonly listen: OpenEar | null
  readonly replacesConnections = false
  readonly takesNames = false
  readonly #client: PostgresClient
  #last: Promise<unknown> = Promise.resolve()
  /** Whether a transaction may still be open, because its last statement received no answer. */
  #mayBeOpen = false

  constructor(client: PostgresClient, place: string) {
    this.#client = client
    this.place = place
    this.listen = earOfClient(client)
  }

  async use<T>(body: Use<T>, expired: Promise<never>): Promise<T> {
    const answer = this.#last.then(async () => {
      // The next statement could become part of the unfinished transaction. So a rollback comes first.
      if (this.#mayBeOpen) await this.#client.query('ROLLBACK')
      this.#mayBeOpen = false
      return await body(this.#client)
    })
    this.#last = answer.catch(ignore)
    return await Promise.race([answer, expired])
  }

  async transaction<T>(body: Use<T>, expired: Promise<never>): Promise<T> {
    const client = this.#client
    if (client.transaction === undefined) return await this.use(async () => await this.#inTransaction(body), expired)
    // The client's own method keeps other statements out of the transaction.
    return await this.use(async () => (await client.transaction?.(body)) as T, expired)
  }

  async #inTransaction<T>(body: Use<T>): Promise<T> {
    try {
      return await inTransaction(this.#client, body)
    } catch (error) {
      this.#mayBeOpen = isBroken(error)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#last
  }
}
