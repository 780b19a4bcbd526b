import { startPostgres } from './postgres.ts'

/**
 * A server for tests that only need one to talk to, under schemas of their own: the one that the environment variable
 * `JOBISTEMER_TEST_POSTGRES_URL` names, else a private one, which is quick and not durable. `stop` ends only what was
 * started here.
 */
export async function sharedPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.JOBISTEMER_TEST_POSTGRES_URL
  return url === undefined || url === '' ? await startPostgres({ quick: true }) : { url, stop: async () => {} }
}
