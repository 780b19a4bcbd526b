import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** The state of a job that follows from the history. The head in the storage must equal this state. */
export interface JobModel {
  head: JobRecord
  watermark: number
  /**
   * The watermark before the last realign, which set the watermark back. So the slots between the present watermark and this
   * instant may already have records.
   */
  setBackFrom: number
  /**
   * The prune floor of the job. Slots up to this instant need no record and get none, because a prune has removed the
   * history up to this instant.
   */
  pruneFloor: number
  /** Running occurrences, with their valid tokens. */
  readonly running: Map<OccurrenceId, number>
  /** Whether any version of the job allowed overlap. */
  overlaps: boolean
  /** The highest number of places that the job ever had. */
  mostPlaces: number
  /**
   * The latest starts of the job's occurrences, oldest first. The list has at most as many starts as the start rate permits in
   * its interval.
   */
  starts: readonly number[]
  /** How often the job was created again after a prune had removed its tombstone. */
  readonly epoch: number
  /** The instant before which a prune may have removed any final occurrence. */
  prunedBefore: number
  /**
   * The highest `cancelsBelow` of the head so far; 0 if none. Claims and creates may cancel waiting slots of lower
   * versions.
   */
  cancelsBelow: number
  /**
   * Slots that were canceled ahead. `mono`: the time of the cancel. `isLate`: the slot was overdue at this time, and no node
   * had decided about it.
   */
  readonly excluded: Map<number, { readonly mono: number; readonly isLate: boolean }>
}

export interface OccurrenceModel {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly scheduledAt: number
  readonly lastSlot: number
  readonly kind: 'slot' | 'trigger' | 'replay'
  readonly version: number
  /**
   * Whether the occurrence must fail after an interruption: the version under which it was created has `onInterrupted: 'fail'`.
   */
  readonly failsInterrupted: boolean
  /** The last token that the storage gave out for this occurrence. */
  token: number
  /** Whether the occurrence is running. The storage accepts the last token only while the occurrence runs. */
  running: boolean
  /** The node incarnation that received the last token; `null` before the first token. */
  life: string | null
  /** The time from which nodes may reap the occurrence, by their wall clocks. */
  deadline: number
  /** Monotonic time at which the storage gave out the token. */
  grantedAt: number
  /**
   * The monotonic time at which the storage gave out the token, plus the execution timeout. From then on any node may reap the
   * occurrence, whatever its wall clock shows.
   */
  monotonicDeadline: number
  /** Sequence number of the owner's last settle under the token. */
  sequence: number
  ended: string | null
  /** Tokens whose occurrence was reaped, each with the monotonic time of the reap. */
  readonly taken: Map<number, number>
  readonly epoch: number
  /**
   * Number of occurrences that have had this id so far, from 1. If a request key is used again after its record was
   * removed, the new occurrence has the same id.
   */
  readonly generation: number
  /** Owners of earlier occurrences with the same id: each entry is `token life`, the token and the node incarnation. */
  readonly earlierOwners: ReadonlySet<string>
  /** Token of the claim that counts as the stored record of the first attempts; 0 without such a claim. */
  beginsUnder: number
  /** Number of stored attempts, by task. */
  attempts: Map<string, number>
}
