import type { JobId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { SerializedSchedule } from '../schedule/schedule.ts'

/** What happens when an occurrence of a job is due while an earlier one is still active (pending or running). */
export type OverlapPolicy = 'skip' | 'queue' | 'queue_one' | 'allow' | 'cancel_running'

/** The overlap rule as the storage applies it, inside its atomic steps. */
export interface OverlapRule {
  /** What happens to the later occurrence. */
  readonly policy: OverlapPolicy
  /**
   * Under `queue`: how many occurrences may be queued. Beyond that a slot is skipped with the reason `queue_full`, and
   * a request is rejected.
   */
  readonly maxQueued: number
  /**
   * Under `skip`, `queue` and `queue_one`: how many occurrences may be active at once. Absent if it is 1, and under the
   * other policies.
   */
  readonly maxConcurrency?: number
  /** Under the same policies: how often occurrences may start. Absent if unlimited. */
  readonly startRate?: StartRate
}

/**
 * How often the occurrences of a job may start: at most `limit` starts in any interval of this length. Each change to
 * running is a start, also after a hand-back or a rescue.
 */
export interface StartRate {
  /** How many; 1 to 100. */
  readonly limit: number
  /** Length of the interval, in milliseconds; at least 1. A start at its end does not count. */
  readonly intervalMs: number
}

/** One segment of a job's timeline: `schedule` determines every slot in `(after, until]`. */
export interface ScheduleSegment {
  /** Epoch milliseconds, exclusive; `null` = from the beginning. */
  readonly after: number | null
  /** Epoch milliseconds, inclusive; `null` = for ever. */
  readonly until: number | null
  /** The schedule as plain data, which nodes revive. */
  readonly schedule: SerializedSchedule
}

/** The pause of a job: its start, its end and its reason. */
export interface PauseRecord {
  /** Epoch milliseconds. */
  readonly at: number
  /** End of the pause, epoch milliseconds, exclusive. The end causes no write. Absent: the pause lasts until it is lifted. */
  readonly until?: number
  readonly reason: string | null
  /** The actor that the caller named for the pause; `null` without one. */
  readonly actor: string | null
  /**
   * Set if a caller resumed the job with an actor or a reason. The record is then no pause any more; its `until` lies
   * before all slots. It only describes how the previous pause ended.
   */
  readonly lifted?: {
    /** Epoch milliseconds. */
    readonly at: number
    readonly reason: string | null
    readonly actor: string | null
  }
}

/** A version of a job: all members that a version fixes. Immutable once stored. */
export interface JobVersionRecord {
  readonly jobId: JobId
  /** 1, 2, 3 … */
  readonly version: number
  /** Digest of the definition: equal definitions have equal fingerprints. */
  readonly fingerprint: string
  /** The definition with its settings and its tasks. Storages keep it unchanged and never read its members. */
  readonly definition: JsonObject
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/**
 * A job's head: the small record that every atomic step on the job reads and changes. All instants are epoch
 * milliseconds.
 */
export interface JobRecord {
  readonly id: JobId
  /** 1 to 255 characters. */
  readonly name: string
  /** Tag of the code that declared the job, so that `plan` and `apply` find removed definitions; `null` without one. */
  readonly owner: string | null
  /** The version in force. Grows by one with each `replace`. */
  readonly version: number
  /** Digest of the definition of the version in force. */
  readonly fingerprint: string
  /**
   * The fingerprints of earlier versions, newest first, at most 32. A node of an older build finds its own definition
   * there.
   */
  readonly lineage: readonly string[]
  /** The definition of the version in force. */
  readonly definition: JsonObject
  /** Names the handlers that a node needs to run this job. `claim` leaves out keys that the node cannot serve. */
  readonly handlerKey: string
  /** The rule of the version in force. */
  readonly overlap: OverlapRule
  /** Its schedules, in the order of time, without gaps. */
  readonly timeline: readonly ScheduleSegment[]
  /**
   * Every slot up to this instant is decided. Starts at the job's creation. Only a `replace` with `setBackTo` moves it
   * back.
   */
  readonly watermark: number
  /**
   * The next slot, the only one that a `slot` item may create. Later than the watermark; `null` if the schedule has
   * ended.
   */
  readonly nextAt: number | null
  /**
   * Slots up to this instant were pruned and can never be created again; `null` before the first prune. It may lie
   * after the watermark, and always lies before the next slot.
   */
  readonly pruneFloor: number | null
  /** The last pause that was not lifted, even if it has ended, see `isPausedAt`; otherwise `null`. */
  readonly paused: PauseRecord | null
  /**
   * Waiting slots of versions below this one, which no node has started, are superseded: a `replace` with `waiting:
   * 'cancel'` has still to cancel them, and they never start. `null` if there are none.
   */
  readonly cancelsBelow: number | null
  /**
   * The instants of the last starts, in order, by the clocks of the starting nodes. Their number is at most the limit of
   * the start rate in force. Absent without starts or without a start rate.
   */
  readonly starts?: readonly number[]
  readonly createdAt: number
  /** When the definition, the pause or the deletion last changed; advancing the watermark does not count. */
  readonly changedAt: number
  /** A deleted job is kept as a tombstone until its history is pruned; `null` while it is alive. */
  readonly deletedAt: number | null
}
