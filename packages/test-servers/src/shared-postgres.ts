import { startPostgres } from './postgres.ts'

/**
 * Returns a PostgreSQL server for tests that use their own schemas and need no private server. If
 * `JOBISTEMER_TEST_POSTGRES_URL` names a server, the function returns that server. Otherwise the function starts a fast
 * server that is not durable. `stop` ends only a server that the function has started.
 */
export async function sharedPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.JOBISTEMER_TEST_POSTGRES_URL
  return url === undefined || url === '' ? await startPostgres({ quick: true }) : { url, stop: async () => {} }
}
