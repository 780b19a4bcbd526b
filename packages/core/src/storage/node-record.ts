import type { JobId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { Owner } from './occurrence-record.ts'

/**
 * A node's own record of one incarnation. Storages key the records by incarnation, so that two lives of a node have
 * separate records.
 */
export interface NodeRecord extends Owner {
  /**
   * Grows with each heartbeat; below 1 while the node starts. A peer that sees no growth for `deadAfter`, by its own
   * clock, declares the node dead.
   */
  readonly counter: number
  /** Epoch milliseconds by the node's own time. For display only; no node compares it with another node's. */
  readonly startedAt: number
  /** True while the node shuts down: it takes no new work. */
  readonly leaving: boolean
  /** Data for display, and the digest that identifies the node's code. At most 4,096 bytes of JSON. */
  readonly about: JsonObject
}

/**
 * The handlers, functions and definitions of a node, stored at its start and at each change. At most 131,072 bytes of
 * JSON. Storages never read its members.
 */
export type NodeProfile = JsonObject

/** The order in which nodes are listed. */
export function byIncarnation(left: NodeRecord, right: NodeRecord): number {
  return left.incarnation < right.incarnation ? -1 : 1
}

/** The number of shards of all jobs. */
export const shardCount = 256

/** The shard of a job, 0 to 255: the first byte of the UUID in its id. */
export function shardOf(jobId: JobId): number {
  return Number.parseInt(jobId.slice('job_'.length, 'job_'.length + 2), 16)
}
