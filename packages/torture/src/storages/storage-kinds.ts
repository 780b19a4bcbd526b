import { dynamodb } from './dynamodb.ts'
import { postgres } from './postgres.ts'
import { redis } from './redis.ts'
import { redisCluster } from './redis-cluster.ts'
import { sqlite } from './sqlite.ts'
import type { StorageKind } from './storage-kind.ts'

const kinds: ReadonlyMap<string, StorageKind> = new Map([
  ['sqlite', sqlite],
  ['redis', redis],
  ['redis-cluster', redisCluster],
  ['dynamodb', dynamodb],
  ['postgres', postgres],
])

/** The names of the supported storages. */
export const storageNames: readonly string[] = [...kinds.keys()]

/** Returns the storage kind with this name. @throws TypeError that lists the supported names */
export function storageKind(name: string): StorageKind {
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  throw new TypeError(`There is no storage "${name}". Use --storage with one of: ${storageNames.join(', ')}.`)
}
