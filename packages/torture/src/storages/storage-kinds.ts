import { sqlite } from './sqlite.ts'
import type { StorageKind } from './storage-kind.ts'

const kinds: ReadonlyMap<string, StorageKind> = new Map([['sqlite', sqlite]])

/** Storages that will be torturable once their adapters exist. */
const planned: readonly string[] = ['redis', 'redis-cluster', 'dynamodb']

/** The kind of this name. @throws TypeError that tells which there are */
export function storageKind(name: string): StorageKind {
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  const known = [...kinds.keys()].join(', ')
  throw new TypeError(
    planned.includes(name)
      ? `The torture of ${name} is not there yet. Use --storage with one of: ${known}.`
      : `There is no storage "${name}". Use --storage with one of: ${known}.`,
  )
}
