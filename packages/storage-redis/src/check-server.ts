import { printValue } from '@jobistemer/core'
import { isCluster } from './client.ts'
import type { ReadOptions, RedisClient } from './options.ts'
import { failure } from './redis-errors.ts'
import { checkPersistence, checkServerInfo } from './server-info.ts'
import { oldestVersion, type StoredForm } from './stored-form.ts'

const shardsOfCluster = 16

/** The stored properties of a prefix, which all storages with the prefix share. */
export interface Namespace {
  readonly shards: number
  /** The earlier form (layout version) that some data of the prefix still have; `null` if all data have the present form. */
  readonly migratesFrom: number | null
}

/** Returns the key of the hash with the stored properties of a prefix. */
export function namespaceKey(prefix: string): string {
  return `{${prefix}}:meta`
}

/**
 * Checks whether the server and its data are fit for jobs, and creates the namespace if it does not exist.
 *
 * @param earlierShards the number of shards before the server lost its data; `null` if no data were lost.
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export async function checkServer(
  client: RedisClient,
  options: ReadOptions,
  form: StoredForm,
  place: string,
  earlierShards: number | null,
): Promise<Namespace> {
  // The first command on a Cluster client also discovers the nodes, which `nodes('master')` needs.
  const key = namespaceKey(options.prefix)
  const stored = await client.hgetall(key)
  for (const server of isCluster(client) ? client.nodes('master') : [client]) {
    checkServerInfo(await server.info(), place)
    await checkPersistence(server, options.logger, place)
  }
  const isNew = Object.keys(stored).length === 0
  if (!isNew && (stored.shards === undefined || stored.schema !== undefined)) {
    return readNamespace(stored, options, form, key)
  }
  // If several storages open new data at once, `HSETNX` lets only the first storage set each value. A process that died
  // while it created the namespace may have stored only the number of shards.
  if (isNew) {
    // On a Cluster, the server that holds the namespace may have lost its data while other servers kept theirs. Then a
    // shard on another server still stores the number of shards.
    const marked = Number((await client.get(`{${options.prefix}:0}:shards`)) ?? Number.NaN)
    const wanted = options.shards ?? earlierShards ?? (isCluster(client) ? shardsOfCluster : 1)
    await client.hsetnx(key, 'shards', marked > 0 ? marked : wanted)
  }
  await client.hsetnx(key, 'schema', form.version)
  return readNamespace(await client.hgetall(key), options, form, key)
}

function readNamespace(
  stored: Readonly<Record<string, string>>,
  options: ReadOptions,
  form: StoredForm,
  key: string,
): Namespace {
  const shards = Number(stored.shards)
  const found = Number(stored.schema)
  const from = Number(stored.migratingFrom ?? found)
  const prefix = ['prefix', options.prefix] as const
  if (!Number.isInteger(shards) || shards < 1 || !Number.isInteger(found) || !Number.isInteger(from)) {
    const message = `The key ${key} does not hold what Jobistemer writes there: ${printValue(stored)}.`
    throw failure('STORAGE_FOREIGN', prefix, message, 'Give a prefix that no other application uses.')
  }
  if (found > form.version) {
    const message = `The data have form ${found}; this version of @jobistemer/storage-redis knows those up to ${form.version}.`
    const remedy = 'Install a newer version of @jobistemer/storage-redis, or give another prefix.'
    throw failure('STORAGE_SCHEMA_NEWER', prefix, message, remedy)
  }
  if (from < oldestVersion(form)) {
    const message = `The data have form ${from}; this version of @jobistemer/storage-redis reads none before ${oldestVersion(form)}.`
    const remedy = 'Open them with a version in between first, or give another prefix.'
    throw failure('STORAGE_UNREADABLE', prefix, message, remedy)
  }
  if (options.shards !== null && options.shards !== shards) {
    const message = `The data are spread over ${shards} shards, and not over ${options.shards}.`
    const remedy = `Leave the option shards out, or give ${shards}. It cannot be changed once there are data.`
    throw failure('STORAGE_UNREADABLE', ['shards', options.shards], message, remedy)
  }
  return { shards, migratesFrom: from < form.version ? from : null }
}
