import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** What the head of a job must contain according to the history. */
export interface JobModel {
  head: JobRecord
  watermark: number
  /**
   * The watermark before the last realign. Slots up to this watermark may have records although these slots lie after
   * the present watermark.
   */
  setBackFrom: number
  /**
   * Slots up to this instant need no record and get none. The prune floor lies after the watermark if a node with a
   * fast clock pruned.
   */
  pruneFloor: number
  /** Running occurrences, with their valid tokens. */
  readonly running: Map<OccurrenceId, number>
  /** Whether any version of the job allowed overlap. */
  overlaps: boolean
  /** The highest number of concurrency slots that the job ever had. */
  mostPlaces: number
  /** The latest starts of the job's occurrences, in order, as far as the start rate counts them. */
  starts: readonly number[]
  /** Number of times that the job was created again after its tombstone had been removed with its history. */
  readonly epoch: number
  /** The limit of the latest prunes: a prune was requested for all history before this instant. */
  prunedBefore: number
  /** The highest version that left more occurrences to cancel than one call cancels; 0 without such a version. */
  cancelsBelow: number
  /** Slots that were canceled ahead: the time of the cancel, and whether the slot was already overdue and undecided. */
  readonly excluded: Map<number, { readonly mono: number; readonly isLate: boolean }>
}

export interface OccurrenceModel {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly scheduledAt: number
  readonly lastSlot: number
  readonly kind: 'slot' | 'trigger' | 'replay'
  readonly version: number
  /** Whether the version under which the occurrence was created fails interrupted occurrences. */
  readonly failsInterrupted: boolean
  /** The last token that the storage gave out. */
  token: number
  /** Whether the occurrence is running, so its last token is valid. */
  running: boolean
  /** The node incarnation that received the token, and the wall time from which nodes may reap the occurrence. */
  life: string | null
  deadline: number
  /** Monotonic time at which the storage gave out the token. */
  grantedAt: number
  /**
   * The monotonic time of the grant plus the execution timeout. From then on any node may reap the occurrence, whatever
   * its wall clock shows.
   */
  monotonicDeadline: number
  /** Sequence number of the owner's last settle under the token. */
  sequence: number
  ended: string | null
  /** Reaped tokens, with the monotonic time of the reap. */
  readonly taken: Map<number, number>
  readonly epoch: number
  /**
   * Number of the use of the occurrence's id, from 1: a request can use the key, and thus the id, of a removed record
   * again.
   */
  readonly generation: number
  /** Owners during earlier uses of the occurrence's id, as `token life`. */
  readonly earlierOwners: ReadonlySet<string>
  /**
   * Token of the claim that announced the first attempts, because the occurrence had no attempts before; 0 without such
   * a claim.
   */
  beginsUnder: number
  /** Number of stored attempts, by task. */
  attempts: Map<string, number>
}
