import { startPostgres } from '@jobistemer/test-servers'

/**
 * Starts the PostgreSQL server that a benchmark measures, with the defaults of PostgreSQL. If the environment variable
 * `JOBISTEMER_TEST_POSTGRES_URL` names a server, returns that server, and `stop` leaves it running. The test of the
 * benchmarks sets the variable, because each start of a server takes 1 s of processor time.
 */
export async function startMeasuredPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.JOBISTEMER_TEST_POSTGRES_URL
  return url === undefined || url === '' ? await startPostgres() : { url, stop: async () => {} }
}
