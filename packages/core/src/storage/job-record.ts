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

/** One stretch of a job's timeline: `schedule` decides every slot in `(after, until]`. */
export interface ScheduleSegment {
  /** Epoch milliseconds, exclusive; `null` = from the beginning. */
  readonly after: number | null
  /** Epoch milliseconds, inclusive; `null` = for ever. */
  readonly until: number | null
  /** As plain data: nodes revive it. */
  readonly schedule: SerializedSchedule
}

/** Since when a job is paused, until when, and why. */
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

/** What a job is, apart from its course: everything that a version of it fixes. Immutable once stored. */
export interface JobVersionRecord {
  readonly jobId: JobId
  /** 1, 2, 3 … */
  readonly version: number
  /** Digest of the definition: equal definitions have equal fingerprints. */
  readonly fingerprint: string
  /** The definition with its configuration and its tasks. Storages keep it as it is and never look inside. */
  readonly definition: JsonObject
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/**
 * A job's head: the one small record that every atomic step on the job goes through.
 * All instants are epoch milliseconds.
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
  /** What a node must have to run this job. `claim` leaves out the keys that the node says it cannot serve. */
  readonly handlerKey: string
  /** The rule of the version in force. */
  readonly overlap: OverlapRule
  /** Its schedules, in the order of time, without gaps. */
  readonly timeline: readonly ScheduleSegment[]
  /**
   * Every slot up to here has been decided. Starts at the job's creation, and moves back by a `replace` with `setBackTo`
   * alone.
   */
  readonly watermark: number
  /**
   * The next slot, the only one that a `slot` item may create. Later than the watermark; `null` if the schedule has
   * ended.
   */
  readonly nextAt: number | null
  /**
   * Slots at or below were pruned and can never be created again; `null` before the first prune. May lie after the
   * watermark, and always before the next slot.
   */
  readonly pruneFloor: number | null
  /** The last pause that was not lifted, even if it has ended, see `isPausedAt`; otherwise `null`. */
  readonly paused: PauseRecord | null
  /**
   * Slots of versions below this one that wait and that no node has started are to be canceled, and never start: a
   * `replace` with `waiting: 'cancel'` has left them. `null` when there are none.
   */
  readonly cancelsBelow: number | null
  /**
   * When the last occurrences started, in the order in which they did: as many as the start rate of the version in force
   * allows, by the clocks of those who started them. Left out where there are none, and of a job without a start rate.
   */
  readonly starts?: readonly number[]
  readonly createdAt: number
  /** When the definition, the pause or the deletion last changed; advancing the watermark does not count. */
  readonly changedAt: number
  /** A deleted job is kept as a tombstone until its history is pruned; `null` while it is alive. */
  readonly deletedAt: number | null
}
