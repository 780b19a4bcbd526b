import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** The rules of the storage protocol that can be checked by the stored records alone. */
export type LedgerRule =
  /** A slot's id equals the id that core derives from job and instant. No id occurs twice. */
  | 'id'
  /** The members of a record are consistent with its state. */
  | 'state'
  /** The token, owner and sequence of a record are consistent. */
  | 'token'
  /** Attempts are numbered 1, 2, 3 …, and all attempts except the last have ended. */
  | 'attempts'
  /** A job has no more active occurrences than places. */
  | 'overlap'
  /**
   * The head of a job with a start rate keeps the instants of at most `limit` starts. Other heads keep none. No interval
   * contains more starts than `limit`. For a job whose definition was replaced, the intervals are not checked.
   */
  | 'start rate'
  /** Checked only with `oneClock`: in a job with one place, queued occurrences have started in their order. */
  | 'order'
  /** Each queued occurrence waits for an active occurrence of its job. */
  | 'stranded'
  /** Each slot up to the watermark has a record, lies in a range of missed slots, or is below the prune floor. */
  | 'hole'
  /** Watermark, next instant and prune floor of a job are consistent with each other and with its records. */
  | 'watermark'
  /** The storage can read every version in use. The head names the current version. */
  | 'version'
  /** The lists of live occurrences contain exactly the live records of the histories. */
  | 'live'
  /** The live counts of each job and of all jobs equal the lengths of the lists of live occurrences. */
  | 'counts'
  /**
   * If the storage can query due jobs, the query returns exactly the jobs with a next instant, in the order of these
   * instants.
   */
  | 'due'
  /** The list of failures contains exactly the failed occurrences, in the order of their ends. */
  | 'failures'
  /** For each job, the storage returns the run that ended last as the job's latest run. */
  | 'latest'
  /** Checked only with `atRest`: no occurrence is pending, queued or running. */
  | 'unfinished'

/** A violation of a rule by stored records. */
export interface LedgerViolation {
  /** The rule that the records violate. */
  readonly rule: LedgerRule
  /** The job of the violation; `null` if the violation concerns all jobs together. */
  readonly jobId: JobId | null
  /** The occurrence of the violation; `null` if the violation concerns the whole job. */
  readonly occurrenceId: OccurrenceId | null
  /** One sentence with the inconsistent values. */
  readonly message: string
}

/** What the caller of `checkLedger` knows about the jobs. */
export interface LedgerExpectations {
  /**
   * Returns the instants of a job's slots in `(after, until]`, in ascending epoch milliseconds. Without `slots`, the
   * rule `hole` is not checked.
   */
  readonly slots?: (job: JobRecord, after: number, until: number) => Iterable<number>
  /**
   * Returns whether occurrences of the job must never overlap. Default: `true` unless the current overlap policy is
   * `allow`.
   */
  readonly exclusive?: (job: JobRecord) => boolean
  /**
   * Returns whether a `replace` with `setBackTo` has moved the job's watermark back. Slots after the watermark may then
   * have records. Default: no watermark was moved back.
   */
  readonly setBack?: (job: JobRecord) => boolean
  /**
   * `true`: all calls were sequential, and no clock was set back. Only then do the records show which occurrences were waiting
   * at the same time. Default `false`.
   */
  readonly oneClock?: boolean
  /** `true`: all work has ended, so that each live occurrence is a violation. Default `false`. */
  readonly atRest?: boolean
}

/** The result of `checkLedger`: the numbers of checked jobs and occurrences, and the violations. */
export interface LedgerReport {
  /** Number of checked jobs. */
  readonly jobs: number
  /** Number of checked occurrences. */
  readonly occurrences: number
  /** The violations that were found. Empty if the stored records are consistent. */
  readonly violations: readonly LedgerViolation[]
}
