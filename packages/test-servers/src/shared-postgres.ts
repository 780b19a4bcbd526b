import { startPostgres } from './postgres.ts'

/**
 * A server for tests that need no private one and use their own schemas. `JOBISTEMER_TEST_POSTGRES_URL` can name it. Otherwise
 * this function starts a private server, fast and not durable. `stop` ends only a server that was started here.
 */
export async function sharedPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.JOBISTEMER_TEST_POSTGRES_URL
  return url === undefined || url === '' ? await startPostgres({ quick: true }) : { url, stop: async () => {} }
}
