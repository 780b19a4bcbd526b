import pg from 'pg'
import type { UserRow, UserRows } from './user-rows.ts'

const connectLimitMs = 5000

/** Creates the user's table before any node starts. */
export async function makePostgresRows(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query('CREATE TABLE moved (occurrence text, task text, attempt integer, token integer)')
  await client.end()
}

export class PostgresRows implements UserRows {
  readonly #pool: pg.Pool

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 6, connectionTimeoutMillis: connectLimitMs })
    // Faults of the run break idle connections on purpose, so this listener ignores the error.
    this.#pool.on('error', () => {})
  }

  async move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void> {
    const client = await this.#pool.connect()
    let failure: Error | undefined
    const fail = () => {
      failure = new Error('aborted')
      client.release(failure)
    }
    // The next statement reports the broken connection, so this listener ignores the error.
    const broken = () => undefined
    client.on('error', broken)
    signal.addEventListener('abort', fail, { once: true })
    try {
      await client.query('BEGIN')
      await client.query('INSERT INTO moved VALUES ($1, $2, $3, $4)', [
        row.occurrence,
        row.task,
        row.attempt,
        row.token,
      ])
      await complete(client)
      const { command } = await client.query('COMMIT')
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
    } catch (error) {
      // Called with an error, `client.release` closes the connection, and the server then rolls the transaction back.
      // If the signal fired, its listener has already called `client.release`.
      signal.removeEventListener('abort', fail)
      if (failure === undefined) client.release(error instanceof Error ? error : true)
      throw error
    }
    signal.removeEventListener('abort', fail)
    client.off('error', broken)
    if (failure === undefined) client.release()
  }

  async all(): Promise<readonly UserRow[]> {
    return (await this.#pool.query<UserRow>('SELECT * FROM moved')).rows
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}
