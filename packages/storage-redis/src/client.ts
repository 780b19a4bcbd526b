import type { Cluster } from 'ioredis'
import type { RedisClient } from './options.ts'

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster
}

/** Where the server is, for messages: never with a password. */
export function placeOf(client: RedisClient): string {
  if (isCluster(client)) return 'Redis Cluster'
  const { path, host, port, db } = client.options
  if (path !== undefined) return path
  return `redis://${host ?? 'localhost'}:${port ?? 6379}${db === undefined || db === 0 ? '' : `/${db}`}`
}
