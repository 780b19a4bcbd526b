import { JobistemerError, printValue } from '@jobistemer/core'
import type { Redis } from 'ioredis'
import { isCluster } from './client.ts'
import type { ReadOptions, RedisClient } from './options.ts'
import { checkPersistence, checkServerInfo } from './server-info.ts'

/** Layout of the data. Grows when an older version of this package could not read them any more. */
const schema = 1

const shardsOfCluster = 16

/** What is fixed for all that have the same prefix. */
export interface Namespace {
  readonly shards: number
}

/**
 * Looks whether the server and what lies there are fit for jobs, and makes the namespace if there is none.
 *
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export async function checkServer(client: RedisClient, options: ReadOptions, place: string): Promise<Namespace> {
  // The first command also makes a Cluster find its nodes.
  const key = `{${options.prefix}}:meta`
  const stored = await client.hgetall(key)
  for (const server of serversOf(client)) {
    checkServerInfo(await server.info(), place)
    await checkPersistence(server, options.logger, place)
  }
  if (Object.keys(stored).length > 0) return readNamespace(stored, options, key)
  const shards = options.shards ?? (isCluster(client) ? shardsOfCluster : 1)
  // Of several that come first at the same time, one decides.
  await client.hsetnx(key, 'shards', shards)
  await client.hsetnx(key, 'schema', schema)
  return readNamespace(await client.hgetall(key), options, key)
}

function serversOf(client: RedisClient): readonly Redis[] {
  return isCluster(client) ? client.nodes('master') : [client]
}

function readNamespace(stored: Readonly<Record<string, string>>, options: ReadOptions, key: string): Namespace {
  const shards = Number(stored.shards)
  // Whoever makes the namespace writes the shards first.
  const found = Number(stored.schema ?? schema)
  if (!Number.isInteger(shards) || shards < 1 || !Number.isInteger(found) || found < 1) {
    throw new JobistemerError('STORAGE_FOREIGN', {
      message: `The key ${key} does not hold what Jobistemer writes there: ${printValue(stored)}.`,
      field: 'prefix',
      value: options.prefix,
      remedy: 'Give another prefix, which nobody else uses.',
    })
  }
  if (found > schema) {
    throw new JobistemerError('STORAGE_SCHEMA_NEWER', {
      message: `The data have schema ${found}; this version of @jobistemer/storage-redis knows those up to ${schema}.`,
      field: 'prefix',
      value: options.prefix,
      remedy: 'Install a newer version of @jobistemer/storage-redis, or give another prefix.',
    })
  }
  if (options.shards !== null && options.shards !== shards) {
    throw new JobistemerError('STORAGE_UNREADABLE', {
      message: `The data are spread over ${shards} shards, and not over ${options.shards}.`,
      field: 'shards',
      value: options.shards,
      remedy: `Leave the option shards out, or give ${shards}. It cannot be changed once there are data.`,
    })
  }
  return { shards }
}
