import { type RedisProduct, startRedis } from './redis.ts'

const variables: Readonly<Record<RedisProduct, string>> = {
  redis: 'JOBISTEMER_TEST_REDIS_URL',
  valkey: 'JOBISTEMER_TEST_VALKEY_URL',
}

/**
 * Returns a Redis or Valkey server for tests that use their own prefixes and need no private server. If
 * `JOBISTEMER_TEST_REDIS_URL` (or `…_VALKEY_URL`) names a server, the function returns that server. Otherwise the
 * function starts a server. `stop` ends only a server that the function has started.
 */
export async function sharedRedis(
  product: RedisProduct = 'redis',
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env[variables[product]]
  return url === undefined || url === '' ? await startRedis({ product }) : { url, stop: async () => {} }
}
