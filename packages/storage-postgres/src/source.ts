import { JobistemerError } from '@jobistemer/core'
import type { StorageCapabilities } from '@jobistemer/core/storage'
import { earOfClient, earOfPool, type OpenEar } from './ear.ts'
import { JobAppeared } from './job-row.ts'
import {
  parseUrl,
  type PostgresClient,
  type PostgresConnection,
  type PostgresPool,
  type ReadOptions,
} from './options.ts'
import { hasState, isBroken, isWrongConnection } from './postgres-errors.ts'
import { closeLimitMs, within } from './time-limit.ts'

/** The longest delay of a Node.js timer, in ms. A timer with a longer delay fires at once. */
const longestMs = 2 ** 31 - 1

/**
 * By how many ms the pool's time limit for a connection exceeds the time limit of a call. A call whose limit passes must
 * end as `STORAGE_BUSY`. With equal limits, the pool's timer sometimes fires first, and the call ends as
 * `STORAGE_UNREACHABLE`.
 */
const connectMarginMs = 100

/** The members of a `pg` pool that this storage uses. */
interface OwnPool extends PostgresPool {
  end(): Promise<void>
}

/**
 * Opens a pool with the package `pg`. A connection attempt without an answer ends {@link connectMarginMs} after
 * `limitMs`, because closing the pool would wait for the attempt.
 *
 * @throws JobistemerError `STORAGE_UNREADABLE` if the package is missing
 */
async function openPool(url: string, limitMs: number): Promise<OwnPool> {
  const pg = await importPg()
  return new pg.Pool({
    connectionString: url,
    application_name: 'jobistemer',
    keepAlive: true,
    connectionTimeoutMillis: Math.min(limitMs + connectMarginMs, longestMs),
  })
}

async function importPg(): Promise<{ readonly Pool: new (options: object) => OwnPool }> {
  try {
    const { default: pg } = (await import('pg')) as unknown as {
      readonly default: { Pool: new (options: object) => OwnPool }
    }
    return pg
  } catch (error) {
    throw new JobistemerError('STORAGE_UNREADABLE', {
      message: 'The package pg is not installed.',
      field: 'url',
      remedy: 'Install it (npm install pg), or give postgresStorage a pool or a client of your own.',
      cause: error,
    })
  }
}

type Use<T> = (connection: PostgresConnection) => Promise<T>

/** The origin of connections: a pool, or a single client. */
export interface Source {
  /** Describes where the data are, for messages. Contains no secrets. */
  readonly place: string
  /** Reserves a connection for this call. `expired` rejects when the caller's time limit has passed. */
  use<T>(body: Use<T>, expired: Promise<never>): Promise<T>
  /** Like {@link use}, within one transaction: commits when `body` resolves, otherwise rolls back. */
  transaction<T>(body: Use<T>, expired: Promise<never>): Promise<T>
  /** Whether the source replaces a broken connection by another one. */
  readonly replacesConnections: boolean
  /** Whether connections accept named statements, as connections of `pg` do. */
  readonly takesNames: boolean
  /** Opens a separate connection that listens; `null` if the source cannot open such a connection. */
  readonly listen: OpenEar | null
  close(): Promise<void>
}

/**
 * The statement names the isolation level, because a database or a user may have another default. It does not name READ
 * WRITE: a standby would reject BEGIN with the code of a missing feature.
 */
const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED'

async function inTransaction<T>(connection: PostgresConnection, body: Use<T>): Promise<T> {
  await connection.query(begin)
  try {
    const answer = await body(connection)
    await connection.query('COMMIT')
    return answer
  } catch (error) {
    // If the connection is broken, the server has already rolled back, so no ROLLBACK is necessary. Otherwise, a ROLLBACK
    // without an open transaction does no harm: the server only sends a warning.
    if (!isBroken(error)) await connection.query('ROLLBACK')
    throw error
  }
}

/**
 * Returns whether the pool must close the connection of this error: a statement may still run in the server, or the server
 * rejects the statements of this connection. After a failover, the next connection may lead to the primary.
 */
function isUnfit(error: unknown): boolean {
  if (isBroken(error) || isWrongConnection(error) || JobistemerError.isInstance(error, 'STORAGE_BUSY')) return true
  // The driver rejected a parameter or could not read an answer, so no statement is still running.
  if (error instanceof TypeError || error instanceof SyntaxError) return false
  return !hasState(error) && !JobistemerError.isInstance(error) && !(error instanceof JobAppeared)
}

/** Events of a `pg` client and pool. `error`: an idle connection broke. `connect`: a pool has opened a connection. */
interface Emitter {
  on?(event: 'error' | 'connect', listener: (news?: Emitter) => void): unknown
  off?(event: 'error', listener: (news: Emitter) => void): unknown
  /** The status that the server reported last: `I` outside of a transaction. Older versions of `pg` lack this method. */
  getTransactionStatus?(): string | null
}

const ignore = () => {}

const guarded = new WeakSet<object>()

/**
 * Adds `error` listeners to a client, or to a pool and its connections, because an `error` event without a listener ends the
 * process. A connection may emit this event while no caller uses it:
 * - before its first caller receives the connection;
 * - while the connection is idle, at each restart of the server;
 * - for a short time after its pool has ended.
 */
function guardConnections(source: PostgresPool | PostgresClient): void {
  if (guarded.has(source)) return
  guarded.add(source)
  const emitter = source as Emitter
  emitter.on?.('error', ignore)
  emitter.on?.('connect', (connection) => void connection?.on?.('error', ignore))
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
    // Without a listener, the `error` event of a connection that breaks between two statements would end the process.
    const emitter: Emitter = connection as Emitter
    emitter.on?.('error', ignore)
    let broken: Error | undefined
    try {
      // An earlier user of the pool may have left a transaction open. The ROLLBACK ends it, so that the statements of this call
      // do not become a part of a transaction that no code commits.
      const isOpen = (emitter.getTransactionStatus?.() ?? 'I') !== 'I'
      const answer = isOpen ? connection.query('ROLLBACK').then(() => body(connection)) : body(connection)
      return await Promise.race([answer, expired])
    } catch (error) {
      // The connection must not go to the next caller, so the pool closes it.
      if (isUnfit(error)) broken = error as Error
      throw error
    } finally {
      emitter.off?.('error', ignore)
      // The pool removes a broken connection. This connection may still emit an `error` event, so it keeps a listener.
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
    guardConnections(client)
  }

  async use<T>(body: Use<T>, expired: Promise<never>): Promise<T> {
    const answer = this.#last.then(async () => {
      // The previous transaction may still be open. The ROLLBACK ends it, so that the next statement does not become a part of
      // it.
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
    // The client's method `transaction` keeps other statements out of the transaction.
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
    await within<unknown>(closeLimitMs, this.#last, ignore)
  }
}

/** Returns whether nodes with these options can wake each other. */
export function canListen({ source, wakeUps }: ReadOptions): boolean {
  if (!wakeUps) return false
  if ('pool' in source) return earOfPool(source.pool) !== null
  return 'url' in source || earOfClient(source.client) !== null
}

/** Returns whether the database runs in this process. PGlite is such a database. */
export function isInProcess({ source }: Pick<ReadOptions, 'source'>): boolean {
  return 'client' in source && earOfClient(source.client) !== null
}

/**
 * Returns the capabilities that follow from these options: whether several processes can use the data, and how durable the
 * data are.
 */
export function keepingOf({ source }: ReadOptions): Pick<StorageCapabilities, 'multiProcess' | 'durability'> {
  if (!('client' in source) || !isInProcess({ source })) return { multiProcess: true, durability: 'power' }
  const { dataDir = 'memory://' } = source.client as { readonly dataDir?: string }
  return { multiProcess: false, durability: dataDir.startsWith('memory://') ? 'none' : 'process' }
}

/** Opens the source of connections that these options name. */
export async function openSource({ source, schema, commandTimeoutMs }: ReadOptions): Promise<Source> {
  if ('pool' in source) return new PoolSource(source.pool, placeOf(source.pool, schema), null)
  if ('client' in source) return new ClientSource(source.client, placeOf(source.client, schema))
  const pool = await openPool(source.url, commandTimeoutMs)
  return new PoolSource(pool, `${placeOfUrl(source.url)}, schema ${schema}`, async () => await pool.end())
}

function placeOfUrl(url: string): string {
  const { hostname, port, pathname, searchParams } = parseUrl(url) as URL
  const host = searchParams.get('host') ?? hostname
  return `${host}${port === '' ? '' : `:${port}`}${pathname}`
}

/** Describes the target of a pool or client of `pg` for messages, without secrets. */
function placeOf(connection: object, schema: string): string {
  const { options = connection } = connection as { readonly options?: object }
  const { host, port, database } = options as {
    readonly host?: unknown
    readonly port?: unknown
    readonly database?: unknown
  }
  const parts = [host, port, database].filter((part) => typeof part === 'string' || typeof part === 'number')
  return [...(parts.length === 0 ? [] : [parts.join(':')]), `schema ${schema}`].join(', ')
}
