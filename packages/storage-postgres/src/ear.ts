import type { PostgresClient, PostgresConnection, PostgresPool } from './options.ts'
import { quoteName } from './sql.ts'
import { within } from './time-limit.ts'
import type { Ear } from './wake-ups.ts'

/** What is used of a client of `pg` to listen. */
interface ListeningClient extends PostgresConnection {
  connect(): Promise<unknown>
  end(): Promise<void>
  on(event: 'error' | 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { readonly payload?: string }) => void): unknown
}

/** What a pool of `pg` has that makes connections like its own. */
interface PoolOfClients extends PostgresPool {
  readonly Client: new (options: unknown) => ListeningClient
  readonly options: unknown
}

/** What PGlite has for listening. */
interface InProcess extends PostgresClient {
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>
}

/** Opens a connection that listens to a channel. */
export type OpenEar = (channel: string, onText: (text: string) => void, onLost: () => void) => Promise<Ear>

/** Keeps a listening session, which is idle between notifications. Servers without this setting ignore the statement. */
const neverIdle = `SELECT set_config('idle_session_timeout', '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`

const connectLimitMs = 10_000

/** How a pool listens: with a connection of its own, not one of the pool. `null`: it cannot make one. */
export function earOfPool(pool: PostgresPool): OpenEar | null {
  const { Client, options } = pool as Partial<PoolOfClients>
  if (typeof Client !== 'function' || typeof options !== 'object') return null
  return async (channel, onText, onLost) => {
    const client = new Client(options)
    client.on('error', onLost)
    client.on('end', onLost)
    client.on('notification', ({ payload }) => onText(payload ?? ''))
    const close = async () => await client.end()
    const listen = async () => await inTime(client.query(`LISTEN ${quoteName(channel)}`))
    try {
      await inTime(client.connect())
      await listen()
    } catch (error) {
      // A close fails if the connection is not open or is broken. The caller receives the first error.
      close().catch(() => {})
      throw error
    }
    return {
      close,
      check: async () => void (await inTime(client.query('SELECT 1'))),
      async stay() {
        await inTime(client.query(neverIdle))
        // Repeats LISTEN, so that pg_stat_activity shows it as the last statement of the session.
        await listen()
      },
    }
  }
}

/** Returns how a client receives notifications; `null` if it cannot. A PGlite has its own method. */
export function earOfClient(client: PostgresClient): OpenEar | null {
  if (typeof (client as Partial<InProcess>).listen !== 'function') return null
  return async (channel, onText) => {
    const close = await (client as InProcess).listen(channel, onText)
    return { close, check: async () => {}, stay: async () => {} }
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  return await within(connectLimitMs, answer, () => {
    throw new Error(`PostgreSQL did not answer within ${connectLimitMs} ms`)
  })
}
