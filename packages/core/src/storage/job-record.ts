import type { JobId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { SerializedSchedule } from '../schedule/schedule.ts'

/** What happens to an occurrence that is due while an earlier occurrence of its job is active (pending or running). */
export type OverlapPolicy = 'skip' | 'queue' | 'queue_one' | 'allow' | 'cancel_running'

/** The overlap rule of a job, which the storage applies inside its atomic steps. */
export interface OverlapRule {
  /** What happens to an occurrence that is due while earlier occurrences of the job are active. */
  readonly policy: OverlapPolicy
  /**
   * Maximum number of queued occurrences under `queue`. If the queue is full, the storage skips a slot with the reason
   * `queue_full`, and rejects a request.
   */
  readonly maxQueued: number
  /**
   * Maximum number of active occurrences under `skip`, `queue` and `queue_one`. Absent if the maximum is 1, and under the
   * other policies.
   */
  readonly maxConcurrency?: number
  /**
   * How often occurrences may start under `skip`, `queue` and `queue_one`. Absent if unlimited, and under the other policies.
   */
  readonly startRate?: StartRate
}

/**
 * How often the occurrences of a job may start: at most `limit` starts in any interval of `intervalMs`. Each change to running
 * is a start, also after a hand-back or a rescue.
 */
export interface StartRate {
  /** Maximum number of starts of the job in any interval of `intervalMs`; 1 to 100. */
  readonly limit: number
  /**
   * Length of the interval, in milliseconds; at least 1. Two starts exactly `intervalMs` apart belong to different intervals.
   */
  readonly intervalMs: number
}

/** One segment of a job's timeline: `schedule` determines every slot in `(after, until]`. */
export interface ScheduleSegment {
  /** Start of the segment in epoch milliseconds, exclusive; `null`: from the beginning. */
  readonly after: number | null
  /** End of the segment in epoch milliseconds, inclusive; `null`: for ever. */
  readonly until: number | null
  /** The schedule as plain data, from which a node makes the schedule object. */
  readonly schedule: SerializedSchedule
}

/** The pause of a job: its start, its end and its reason. */
export interface PauseRecord {
  /** Start of the pause, in epoch milliseconds. */
  readonly at: number
  /** End of the pause, epoch milliseconds, exclusive. Absent if the pause lasts until a caller resumes the job. */
  readonly until?: number
  readonly reason: string | null
  /** The actor that the caller named for the pause; `null` if the caller named none. */
  readonly actor: string | null
  /**
   * Set if a caller resumed the job and gave an actor or a reason. The record then only describes the end of the previous
   * pause. The record pauses no slot, because its `until` is earlier than every slot.
   */
  readonly lifted?: {
    /** When the caller resumed the job, in epoch milliseconds. */
    readonly at: number
    readonly reason: string | null
    readonly actor: string | null
  }
}

/** The content of one version of a job. A stored version never changes. */
export interface JobVersionRecord {
  readonly jobId: JobId
  /** Number of the version: 1, 2, 3 … */
  readonly version: number
  /** Digest of the definition. Equal definitions have equal fingerprints. */
  readonly fingerprint: string
  /** The definition with its settings and tasks. Storages keep the definition unchanged and never read its members. */
  readonly definition: JsonObject
  /** When the version was stored, in epoch milliseconds. */
  readonly createdAt: number
}

/**
 * A job's head: the small record that every atomic step on the job reads and changes. All instants are epoch
 * milliseconds.
 */
export interface JobRecord {
  readonly id: JobId
  /** The name of the job, 1 to 255 characters. */
  readonly name: string
  /** Tag of the code that declared the job, so that `plan` and `apply` find removed definitions; `null` without a tag. */
  readonly owner: string | null
  /** Number of the version in force. Each `replace` increments this number. */
  readonly version: number
  /** Digest of the definition of the version in force. */
  readonly fingerprint: string
  /**
   * The fingerprints of earlier versions, newest first, at most 32. If a node of an older build finds its own fingerprint here,
   * the node knows that its definition was replaced.
   */
  readonly lineage: readonly string[]
  /** The definition of the version in force. */
  readonly definition: JsonObject
  /**
   * Names the handlers that a node needs to run the job. A `claim` leaves out jobs whose handler keys the node cannot serve.
   */
  readonly handlerKey: string
  /** The overlap rule of the version in force. */
  readonly overlap: OverlapRule
  /** The schedules of the job, in the order of time, without gaps. */
  readonly timeline: readonly ScheduleSegment[]
  /**
   * For every slot up to this instant, the nodes have decided whether the slot runs. The watermark starts at the job's
   * creation. Only a `replace` with `setBackTo` moves the watermark back.
   */
  readonly watermark: number
  /**
   * The job's next slot, later than the watermark; `null` if the schedule has ended. If an item of `createOccurrences` has the
   * kind `slot`, it must be for this slot.
   */
  readonly nextAt: number | null
  /**
   * Slots up to this instant were pruned and can never be created again; `null` before the first prune. The floor may be after
   * the watermark, and is always before the next slot.
   */
  readonly pruneFloor: number | null
  /**
   * The last pause of the job, even if it has ended. `null` if the job was never paused, or if a caller resumed the job without
   * an actor and a reason.
   */
  readonly paused: PauseRecord | null
  /**
   * A waiting slot is superseded if its version is below this number and no node has started the slot. A `replace` with
   * `waiting: 'cancel'` sets this number. Superseded slots never start, and later steps cancel them. `null` if no slot is
   * superseded.
   */
  readonly cancelsBelow: number | null
  /**
   * The instants of the last starts, in order, by the clocks of the starting nodes. Their number is at most the limit of the start
   * rate in force. Absent without starts or without a start rate.
   */
  readonly starts?: readonly number[]
  readonly createdAt: number
  /**
   * When the definition, the pause or the deletion of the job last changed. An advance of the watermark does not change this
   * instant.
   */
  readonly changedAt: number
  /**
   * When the job was deleted; `null` if the job was not deleted. A deleted job is kept as a tombstone until its history is
   * pruned.
   */
  readonly deletedAt: number | null
}
