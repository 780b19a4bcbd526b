import type { PostgresClient, PostgresConnection, PostgresPool } from './options.ts'
import { quoteName } from './sql.ts'
import { within } from './time-limit.ts'
import type { Ear } from './wake-ups.ts'

/** The members of a `pg` client that listening needs. */
interface ListeningClient extends PostgresConnection {
  connect(): Promise<unknown>
  end(): Promise<void>
  on(event: 'error' | 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { readonly payload?: string }) => void): unknown
}

/** The members of a `pg` pool that are needed to open a connection with the same settings outside of the pool. */
interface PoolOfClients extends PostgresPool {
  readonly Client: new (options: unknown) => ListeningClient
  readonly options: unknown
}

/** The member of PGlite that listening needs. */
interface InProcess extends PostgresClient {
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>
}

/** Opens a connection that listens to a channel. */
export type OpenEar = (channel: string, onText: (text: string) => void, onLost: () => void) => Promise<Ear>

/**
 * Exempts a listening session from the idle timeout, because it is idle between notifications. A server without this
 * setting ignores the statement.
 */
const neverIdle = `SELECT set_config('idle_session_timeout', '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`

const connectLimitMs = 10_000

/**
 * Returns the function that opens a listening connection outside of the pool; `null` if the pool does not allow such a
 * connection.
 */
export function earOfPool(pool: PostgresPool): OpenEar | null {
  const { Client, options } = pool as Partial<PoolOfClients>
  if (typeof Client !== 'function' || typeof options !== 'object') return null
  return async (channel, onText, onLost) => {
    const client = new Client(options)
    client.on('error', onLost)
    client.on('end', onLost)
    client.on('notification', ({ payload }) => onText(payload ?? ''))
    const close = async () => {
      // While a statement is in progress, `end` closes the socket at once, also if the server no longer answers.
      // PgBouncer closes the server connection of a client that leaves during any statement. So no other client inherits
      // the LISTEN.
      // Expected here: the error of a statement whose connection ends.
      client.query('UNLISTEN *').catch(() => undefined)
      await client.end()
    }
    const listen = async () => await inTime(client.query(`LISTEN ${quoteName(channel)}`))
    try {
      await inTime(client.connect())
      await listen()
    } catch (error) {
      // The caller receives the error of the failed start, so an error of `close` is ignored.
      close().catch(() => {})
      throw error
    }
    return {
      close,
      async stay() {
        await inTime(client.query(neverIdle))
        // Repeats LISTEN, so that pg_stat_activity shows it as the last statement of the session.
        await listen()
      },
    }
  }
}

/** Returns the function that listens with a PGlite client; `null` for other clients, which cannot listen. */
export function earOfClient(client: PostgresClient): OpenEar | null {
  if (typeof (client as Partial<InProcess>).listen !== 'function') return null
  return async (channel, onText) => {
    const close = await (client as InProcess).listen(channel, onText)
    return { close, stay: async () => {} }
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  return await within(connectLimitMs, answer, () => {
    throw new Error(`PostgreSQL did not answer within ${connectLimitMs} ms`)
  })
}
