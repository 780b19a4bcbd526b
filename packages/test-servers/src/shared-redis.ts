import { type RedisProduct, startRedis } from './redis.ts'

const variables: Readonly<Record<RedisProduct, string>> = {
  redis: 'JOBISTEMER_TEST_REDIS_URL',
  valkey: 'JOBISTEMER_TEST_VALKEY_URL',
}

/**
 * A server for tests that only need one to talk to, under prefixes of their own: the one that the environment variable
 * `JOBISTEMER_TEST_REDIS_URL` (or `…_VALKEY_URL`) names, else a private one. `stop` ends only what was started here.
 */
export async function sharedRedis(
  product: RedisProduct = 'redis',
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env[variables[product]]
  return url === undefined || url === '' ? await startRedis({ product }) : { url, stop: async () => {} }
}
