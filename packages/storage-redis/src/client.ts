import type { Cluster } from 'ioredis'
import type { RedisClient } from './options.ts'

/** Time without traffic after which the operating system probes the peer of a connection, in ms. */
export const keepAliveMs = 30_000

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster
}

/** Stands for the addresses of a Redis Cluster in messages. */
export const clusterPlace = 'Redis Cluster'

/** Describes the server's address for messages, without a password. */
export function placeOf(client: RedisClient): string {
  if (isCluster(client)) return clusterPlace
  const { path, host, port, db, sentinels, name } = client.options
  if (sentinels) return `Redis Sentinel ${name}`
  if (path !== undefined) return path
  return `redis://${host ?? 'localhost'}:${port ?? 6379}${db === undefined || db === 0 ? '' : `/${db}`}`
}

/** Methods of ioredis that exist at run time and are missing in its types. */
interface ScriptRunner {
  evalshaBuffer(sha: string, keyCount: number, ...values: readonly (string | Buffer | number)[]): Promise<unknown>
  evalBuffer(source: string, keyCount: number, ...values: readonly (string | Buffer | number)[]): Promise<unknown>
}

/**
 * Returns the client as a runner of scripts whose answers are bytes. The method `callBuffer` of the client is not suitable for
 * scripts: with `enableAutoPipelining`, ioredis does not send the command's name, and the answer never arrives.
 */
export function scriptsOf(client: RedisClient): ScriptRunner {
  return client as unknown as ScriptRunner
}
