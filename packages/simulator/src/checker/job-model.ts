import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** What the head of a job must be, as far as the history tells. */
export interface JobModel {
  head: JobRecord
  watermark: number
  /** Where the watermark was when it was last set back: slots up to here may have records although they lie ahead. */
  setBackFrom: number
  /** Slots up to here need no entry, and can get none; it may lie ahead of the watermark where a fast clock pruned. */
  pruneFloor: number
  /** Occurrences that run, with the tokens that are alive. */
  readonly running: Map<OccurrenceId, number>
  /** A version of it allowed overlap. */
  overlaps: boolean
  /** How many of it were allowed to be active at once, at most. */
  mostPlaces: number
  /** When occurrences of it started, in their order, as far as its start rate still looks at them. */
  starts: readonly number[]
  /** How often the job was created anew, after its tombstone had been removed with its history. */
  readonly epoch: number
  /** Everything before this was asked to be removed. */
  prunedBefore: number
  /** Versions that have left more to cancel than one call cancels: the greatest of them, 0 without one. */
  cancelsBelow: number
  /** Slots that were canceled ahead: when, and whether they lay behind by then, and nobody had decided about them. */
  readonly excluded: Map<number, { readonly mono: number; readonly isLate: boolean }>
}

export interface OccurrenceModel {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly scheduledAt: number
  readonly lastSlot: number
  readonly kind: 'slot' | 'trigger' | 'replay'
  readonly version: number
  /** By that version: once a handler of it was interrupted, none is called any more. */
  readonly failsInterrupted: boolean
  /** The last token that was given out. */
  token: number
  /** Whether the token is alive. */
  running: boolean
  /** Who was given the token, and by which wall time it may be taken away. */
  life: string | null
  deadline: number
  /** When the token was given out: monotonic. */
  grantedAt: number
  /** The monotonic time from which on it may be taken away, by whoever saw the token all the while. */
  monotonicDeadline: number
  /** Number of the last thing that was said under the token. */
  sequence: number
  ended: string | null
  /** Tokens that were taken from their owners, and when. */
  readonly taken: Map<number, number>
  readonly epoch: number
  /** How often the id was created: requests may use the key of one that was removed. */
  readonly generation: number
  /** Who owned the earlier lives of its id: `token life`. */
  readonly earlierOwners: ReadonlySet<string>
  /** The token of a claim that stands for first attempts, since nothing was written of any before it; 0: none does. */
  beginsUnder: number
  /** Attempts that are written, by task. */
  attempts: Map<string, number>
}
