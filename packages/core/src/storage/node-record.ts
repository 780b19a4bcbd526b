import type { JobId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { Owner } from './occurrence-record.ts'

/** The record that a node writes. Storages key these records by incarnation, so two lives of a node have separate records. */
export interface NodeRecord extends Owner {
  /**
   * A counter of heartbeats, which grows with each heartbeat. Below 1 while the node starts. If a peer sees no growth for
   * `deadAfter`, the peer declares the node dead.
   */
  readonly counter: number
  /** When the node started, in epoch milliseconds by the node's own time. For display only. */
  readonly startedAt: number
  /** True while the node shuts down and takes no new work. */
  readonly leaving: boolean
  /** Data for display, and the digest that identifies the node's code. At most 4,096 bytes of JSON. */
  readonly about: JsonObject
}

/**
 * The handlers, functions and definitions of a node, which the node stores at its start and at each change. At most 131,072
 * bytes of JSON. Storages never read the members.
 */
export type NodeProfile = JsonObject

/** Compares two node records by incarnation: the order of lists of nodes. */
export function byIncarnation(left: NodeRecord, right: NodeRecord): number {
  return left.incarnation < right.incarnation ? -1 : 1
}

/** Number of shards into which all jobs are divided. */
export const shardCount = 256

/** Returns the shard of a job, 0 to 255: the first byte of the UUID in the job's id. */
export function shardOf(jobId: JobId): number {
  return Number.parseInt(jobId.slice('job_'.length, 'job_'.length + 2), 16)
}
