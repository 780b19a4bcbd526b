import type { JobId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { Owner } from './occurrence-record.ts'

/** One life of a node, as it says itself. Records are kept by incarnation: no life of a node overwrites another's. */
export interface NodeRecord extends Owner {
  /** Grows with each heartbeat; below 1 while the node starts. Whoever sees it stand still for long enough, by a clock of its own, takes the node for dead. */
  readonly counter: number
  /** Epoch milliseconds, by the node's own time: for people to read, and never compared with another node's. */
  readonly startedAt: number
  /** It is shutting down: it takes no new work. */
  readonly leaving: boolean
  /** What people want to see, and what tells nodes of one build from others. At most 4,096 bytes of JSON. */
  readonly about: JsonObject
}

/** What a node can do: said when it starts, and when that has changed. At most 131,072 bytes of JSON. Storages never look inside. */
export type NodeProfile = JsonObject

/** The order in which nodes are listed. */
export function byIncarnation(left: NodeRecord, right: NodeRecord): number {
  return left.incarnation < right.incarnation ? -1 : 1
}

/** How many shards the jobs are spread over. */
export const shardCount = 256

/** The shard of a job, 0 to 255: the first byte of the UUID in its id. */
export function shardOf(jobId: JobId): number {
  return Number.parseInt(jobId.slice('job_'.length, 'job_'.length + 2), 16)
}
