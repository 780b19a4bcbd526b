import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** What the head of a job must contain according to the history. */
export interface JobModel {
  head: JobRecord
  watermark: number
  /** The watermark before the last set-back. Slots up to here may have records although they lie ahead. */
  setBackFrom: number
  /** Slots up to here need no entry and can get none. It can lie ahead of the watermark if a fast clock pruned. */
  pruneFloor: number
  /** Running occurrences, with their live tokens. */
  readonly running: Map<OccurrenceId, number>
  /** Whether any version of the job allowed overlap. */
  overlaps: boolean
  /** The highest number of concurrency slots that the job ever had. */
  mostPlaces: number
  /** The starts of the job's occurrences, in order, as far as its start rate covers them. */
  starts: readonly number[]
  /** Number of times that the job was created again after its tombstone had been removed with its history. */
  readonly epoch: number
  /** A prune was requested for all history before this instant. */
  prunedBefore: number
  /** The highest version that left more occurrences to cancel than one call cancels; 0 without one. */
  cancelsBelow: number
  /** Slots that were canceled ahead: when, and whether they were already overdue and undecided. */
  readonly excluded: Map<number, { readonly mono: number; readonly isLate: boolean }>
}

export interface OccurrenceModel {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly scheduledAt: number
  readonly lastSlot: number
  readonly kind: 'slot' | 'trigger' | 'replay'
  readonly version: number
  /** Whether that version fails interrupted occurrences. */
  readonly failsInterrupted: boolean
  /** The last token that the storage gave out. */
  token: number
  /** Whether the token is live. */
  running: boolean
  /** The life that received the token, and the wall time from which nodes may take the occurrence away. */
  life: string | null
  deadline: number
  /** Monotonic time at which the storage gave out the token. */
  grantedAt: number
  /** Monotonic time from which a node that has seen the token since its grant may take the occurrence away. */
  monotonicDeadline: number
  /** Sequence number of the last settle under the token. */
  sequence: number
  ended: string | null
  /** Tokens that were taken from their owners, with the time. */
  readonly taken: Map<number, number>
  readonly epoch: number
  /** Generation of the id: requests can use the key of a removed record again. */
  readonly generation: number
  /** Owners of earlier generations of the id, as `token life`. */
  readonly earlierOwners: ReadonlySet<string>
  /** Token of a claim that announces the first attempts, because none was written before it; 0 without one. */
  beginsUnder: number
  /** Number of written attempts, by task. */
  attempts: Map<string, number>
}
