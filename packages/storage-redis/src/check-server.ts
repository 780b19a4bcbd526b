import { printValue } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import { isCluster } from './client.ts'
import type { ReadOptions, RedisClient } from './options.ts'
import { checkPersistence, checkServerInfo, fromPairs } from './server-info.ts'

const shardsOfCluster = 16

/**
 * The version of the stored data's form: keys, layouts, codes, and stored texts. A change raises this number if the
 * previous package version could not read the changed data, or would read them wrongly.
 */
export const formVersion = 1

/**
 * Checks whether the server and its data are fit for jobs, and creates the hash of the prefix if it does not exist.
 * This hash stores the number of shards and the form version. Returns the number of shards.
 *
 * @param earlierShards the number of shards before the server lost its data; `null` if no data were lost.
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export async function checkServer(
  client: RedisClient,
  options: ReadOptions,
  place: string,
  earlierShards: number | null,
): Promise<number> {
  // While it connects, ioredis ignores that the server refuses `select`, and uses database 0. The owner of a given client
  // may have selected another database than its options name.
  const db = isCluster(client) ? 0 : (client.condition?.select ?? client.options.db)
  if (db) await client.select(db)
  // A Cluster client sends scripts to masters. With its option `scaleReads`, it sends other reads to replicas.
  const read = (command: 'GET' | 'HGETALL', from: string) =>
    client.eval('return redis.call(ARGV[1], KEYS[1])', 1, from, command)
  const key = `{${options.prefix}}:meta`
  const readAll = async () => fromPairs((await read('HGETALL', key)) as readonly string[])
  // The first command on a Cluster client also discovers the nodes, which `nodes('master')` needs.
  const stored = await readAll()
  for (const server of isCluster(client) ? client.nodes('master') : [client]) {
    checkServerInfo(await server.info(), place)
    await checkPersistence(server, options.logger, place)
  }
  const isNew = Object.keys(stored).length === 0
  if (!isNew && (stored.shards === undefined || stored.schema !== undefined)) {
    return readNamespace(stored, options, key)
  }
  // Several storages may create the namespace at the same time, so `HSETNX` lets only the first storage set each of the
  // two values. If a process died between the two commands, only the number of shards is stored, and the next storage
  // adds the other value.
  if (isNew) {
    // On a Cluster, the keys of a prefix are on several servers. The server with the namespace may have lost its data while the
    // other servers kept theirs. Shard 0 can be on another server, and may still store the number of shards.
    const marked = Number((await read('GET', `{${options.prefix}:0}:shards`)) ?? Number.NaN)
    const wanted = options.shards ?? earlierShards ?? (isCluster(client) ? shardsOfCluster : 1)
    await client.hsetnx(key, 'shards', marked > 0 ? marked : wanted)
  }
  await client.hsetnx(key, 'schema', formVersion)
  return readNamespace(await readAll(), options, key)
}

function readNamespace(stored: ReturnType<typeof fromPairs>, options: ReadOptions, key: string): number {
  const shards = Number(stored.shards)
  const found = Number(stored.schema)
  const prefix = ['prefix', options.prefix] as const
  if (!Number.isInteger(shards) || shards < 1 || !Number.isInteger(found)) {
    const message = `The key ${key} does not hold what Jobistemer writes there: ${printValue(stored)}.`
    throw storageFailure('STORAGE_FOREIGN', prefix, message, 'Give a prefix that no other application uses.')
  }
  if (found !== formVersion) {
    const message = `The data have form ${found}; this version of @jobistemer/storage-redis knows form ${formVersion}.`
    const remedy = 'Install a version of @jobistemer/storage-redis that knows this form, or give another prefix.'
    throw storageFailure(found > formVersion ? 'STORAGE_SCHEMA_NEWER' : 'STORAGE_UNREADABLE', prefix, message, remedy)
  }
  if (options.shards !== null && options.shards !== shards) {
    const message = `The data are spread over ${shards} shards, and not over ${options.shards}.`
    const remedy = `Leave the option shards out, or give ${shards}. It cannot be changed once there are data.`
    throw storageFailure('STORAGE_UNREADABLE', ['shards', options.shards], message, remedy)
  }
  return shards
}
