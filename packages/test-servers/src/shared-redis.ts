import { type RedisProduct, startRedis } from './redis.ts'

const variables: Readonly<Record<RedisProduct, string>> = {
  redis: 'JOBISTEMER_TEST_REDIS_URL',
  valkey: 'JOBISTEMER_TEST_VALKEY_URL',
}

/**
 * A server for tests that need no private one and use their own prefixes. `JOBISTEMER_TEST_REDIS_URL` (or `…_VALKEY_URL`) can
 * name it. Otherwise this function starts a private server. `stop` ends only a server that was started here.
 */
export async function sharedRedis(
  product: RedisProduct = 'redis',
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env[variables[product]]
  return url === undefined || url === '' ? await startRedis({ product }) : { url, stop: async () => {} }
}
