import { createHash } from 'node:crypto'
import { jobId, systemClock } from '@jobistemer/core'
import { random } from '@jobistemer/core/storage'
import type { OpenEar } from './ear.ts'
import { binaryUuids, uuidOf } from './ids.ts'
import { isTrue, lockLimitOf, numberOf, type Row, type Session, type SqlValue } from './sql.ts'
import type { PostgresConnection } from './options.ts'
import {
  heldError,
  isContention,
  isHeld,
  isNameUnknown,
  noNullsError,
  storageError,
  timeoutError,
  unreadableError,
} from './postgres-errors.ts'
import { JobAppeared } from './job-row.ts'
import type { Source } from './source.ts'
import type { Ear } from './wake-ups.ts'

/** Maximum number of tries of a conflicting transaction. All tries take about 2 s. */
const mostTries = 12

/** Runs statements and transactions, each within a time limit. Translates errors of the driver into errors of the storage. */
export class Database implements Session {
  readonly place: string
  /**
   * The maximum time that the server waits for a lock, as text, for example `9000ms`. Statements whose SQL contains
   * `limitLocks` receive this text as a parameter.
   */
  readonly lockLimit: string
  /** Whether the driver sends byte arrays unchanged, as binary parameters. False until {@link probe} has run. */
  takesBytes = false
  readonly #source: Source
  readonly #limitMs: number
  readonly #lockLimitMs: number
  /** The names under which statements are sent, by statement text. The server keeps the plans of these statements. */
  readonly #names = new Map<string, string>()

  constructor(source: Source, limitMs: number) {
    this.#source = source
    this.#limitMs = limitMs
    this.#lockLimitMs = lockLimitOf(limitMs)
    this.lockLimit = `${this.#lockLimitMs}ms`
    this.place = source.place
  }

  /**
   * Checks that the driver returns values of readable types, and that it can send arrays that contain NULL.
   *
   * @throws JobistemerError `STORAGE_UNREADABLE`; errors of the driver
   */
  async assertReadable(): Promise<void> {
    const uuid = uuidOf(jobId('probe'))
    const [row] = await this.query(
      `SELECT $1::text::uuid AS id, true AS yes, false AS no, 5::bigint AS large, 5::smallint AS small,
         ($2::text::text[])[1] IS NULL AS has_null`,
      [uuid, '{NULL}'],
    )
    const isRead = row?.id === uuid && isTrue(row.yes) && !isTrue(row.no)
    if (!isRead || numberOf(row.large) !== 5 || numberOf(row.small) !== 5) throw unreadableError(this.place)
    if (!isTrue(row.has_null)) throw noNullsError(this.place)
  }

  /**
   * Checks whether the driver sends bytes unchanged, as `pg` does. Stores the result in `takesBytes`.
   *
   * With other drivers, this check may break the connection. A pool then opens another connection, but a single client
   * cannot. So this method does nothing with a single client.
   */
  async probe(): Promise<void> {
    if (!this.#source.replacesConnections) return
    const id = jobId('probe')
    try {
      const [row] = await this.query('SELECT ($1::uuid[])[1]::text AS first', [binaryUuids([id])])
      this.takesBytes = row?.first === uuidOf(id)
    } catch {
      // Ignores the error. If the server is unreachable, the next call rejects with the reason.
      this.takesBytes = false
    }
  }

  /**
   * From now on, sends this statement under a name, so that the server keeps its plan per connection. Behind a pooler that does
   * not support names, the server plans each call.
   */
  keepPlanOf(text: string): void {
    if (!this.#source.takesNames) return
    // Through a pooler, several processes may share a connection. So the name is a hash of the text: the same name always
    // means the same statement.
    this.#names.set(text, `jobistemer_${createHash('sha1').update(text).digest('hex')}`)
  }

  /**
   * Runs one statement as a transaction.
   *
   * @throws errors of the driver
   */
  async query(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]> {
    const name = this.#names.get(text)
    if (name === undefined) return await this.#queryOnce(text, values)
    try {
      return await this.#queryOnce({ name, text }, values)
    } catch (error) {
      if (!isNameUnknown(error)) throw error
      // The server rejected the name of the statement. So the statement has not run, and this code sends the statement again
      // without a name.
      this.#names.clear()
      return await this.#queryOnce(text, values)
    }
  }

  async #queryOnce(statement: Statement, values?: readonly SqlValue[]): Promise<readonly Row[]> {
    return await this.#within(this.#limitMs, async (expired, sent) => {
      return await this.#source.use(async (connection) => {
        sent()
        return await rowsOf(connection, statement, values)
      }, expired)
    })
  }

  /** Runs a transaction at READ COMMITTED, and repeats it after a conflict. */
  async transaction<T>(body: (session: Session) => Promise<T>, limitMs: number = this.#limitMs): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#within(limitMs, async (expired, sent) => {
          return await this.#source.transaction(async (connection) => {
            const query: Session['query'] = async (text, values) => {
              sent()
              return await rowsOf(connection, text, values)
            }
            return await body({ query })
          }, expired)
        })
      } catch (error) {
        if (tries === mostTries || !(isContention(error) || error instanceof JobAppeared)) throw error
        const pauseMs = Math.floor(random() * Math.min(5 * 2 ** tries, 300))
        await new Promise<void>((resolve) => systemClock.setTimer(pauseMs, resolve))
      }
    }
  }

  /** Opens a separate connection that listens to a channel. */
  async listen(...how: Parameters<OpenEar>): Promise<Ear> {
    if (this.#source.listen === null) throw new TypeError('this source of connections does not support LISTEN')
    return await this.#source.listen(...how)
  }

  /** Translates a failure into the error that callers receive. */
  errorOf(error: unknown): Error {
    return storageError(error, this.place)
  }

  async close(): Promise<void> {
    await this.#source.close()
  }

  /** Runs a call within a time limit. `call` must invoke `sent` before each statement that it sends. */
  async #within<T>(limitMs: number, call: (expired: Promise<never>, sent: () => void) => Promise<T>): Promise<T> {
    if (limitMs === Number.POSITIVE_INFINITY) return await call(new Promise<never>(() => {}), () => {})
    let expire = () => {}
    const expired = new Promise<never>((_, reject) => {
      const what = 'PostgreSQL has not answered, or the pool has had no connection left,'
      expire = () => reject(timeoutError(this.place, limitMs, what))
    })
    const begun = systemClock.monotonic()
    // The instant at which this call sent its latest statement. The wait for a lock is measured from this instant. So it does
    // not include the wait for a connection.
    let sentAt = begun
    const sent = () => {
      sentAt = systemClock.monotonic()
    }
    // A timer may fire too early, so `onTimer` measures the elapsed time.
    const onTimer = () => {
      const leftMs = begun + limitMs - systemClock.monotonic()
      if (leftMs <= 0) expire()
      else timer = systemClock.setTimer(leftMs, onTimer)
    }
    let timer = systemClock.setTimer(limitMs, onTimer)
    try {
      return await call(expired, sent)
    } catch (error) {
      // If the statement has waited for less time than the lock limit, the error has another cause: a NOWAIT, or a lower limit
      // that the user has set.
      if (!isHeld(error) || systemClock.monotonic() - sentAt < this.#lockLimitMs) throw error
      throw heldError(error, { place: this.place, limitMs, lockLimitMs: this.#lockLimitMs })
    } finally {
      timer.cancel()
    }
  }
}

/** A statement: its text alone, or its text with a name as `pg` accepts it. */
type Statement = string | { readonly name: string; readonly text: string }

async function rowsOf(
  connection: PostgresConnection,
  statement: Statement,
  values?: readonly SqlValue[],
): Promise<readonly Row[]> {
  // The type of `query` allows only texts, but `pg` also accepts named statements. The cast makes a separate exported
  // type unnecessary.
  const { rows } = await connection.query(statement as string, values === undefined ? undefined : [...values])
  return rows as readonly Row[]
}
