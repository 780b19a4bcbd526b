import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** The rules of the protocol that can be seen on a ledger at rest. */
export type LedgerRule =
  /** A slot's id equals the id that core derives from job and instant; no id occurs twice. */
  | 'id'
  /** The members of a record fit its state. */
  | 'state'
  /** Tokens, owners and sequences fit each other. */
  | 'token'
  /** Attempts run 1, 2, 3 … and all but the last have ended. */
  | 'attempts'
  /** No more active occurrences of a job than it has places. */
  | 'overlap'
  /**
   * A head keeps the starts that its start rate needs. No more starts than its limit lie in an interval, unless the job was
   * replaced.
   */
  | 'start rate'
  /** With `oneClock`: in a job with one place, queued occurrences started in their order. */
  | 'order'
  /** Nothing is queued without an active occurrence that it waits for. */
  | 'stranded'
  /** Each slot up to the watermark has an entry, lies in a range, or is below the prune floor. */
  | 'hole'
  /** Watermark, next instant and prune floor fit each other and the records. */
  | 'watermark'
  /** The storage can read every version in use. The head names the version in force. */
  | 'version'
  /** The lists of live occurrences hold exactly the live records of the histories. */
  | 'live'
  /** The counts of live occurrences, of each job and of all, equal the lengths of the live lists. */
  | 'counts'
  /** If the storage finds due jobs: it finds exactly the jobs with a next instant, in its order. */
  | 'due'
  /** The list of failures holds exactly the failed occurrences, in the order of their ends. */
  | 'failures'
  /** The storage finds the run of each job that ended last as its latest run. */
  | 'latest'
  /** With `atRest`: nothing is pending, queued or running. */
  | 'unfinished'

/** One contradiction in a ledger. */
export interface LedgerViolation {
  /** The rule that is broken. */
  readonly rule: LedgerRule
  /** `null` when it is about all jobs together. */
  readonly jobId: JobId | null
  /** `null` when it is about the job as a whole. */
  readonly occurrenceId: OccurrenceId | null
  /** One sentence with the values that contradict each other. */
  readonly message: string
}

/** What `checkLedger` is to know of the jobs. */
export interface LedgerExpectations {
  /**
   * The instants of a job's slots in `(after, until]`, epoch milliseconds, ascending. Without it the check for holes
   * is left out.
   */
  readonly slots?: (job: JobRecord, after: number, until: number) => Iterable<number>
  /** Whether occurrences of the job must never overlap. Default: its policy in force is not `allow`. */
  readonly exclusive?: (job: JobRecord) => boolean
  /**
   * Whether the job's watermark was set back, which a `replace` with `setBackTo` does: then slots that were decided
   * before may lie after it. Default: no job's was.
   */
  readonly setBack?: (job: JobRecord) => boolean
  /**
   * All calls have followed one another, each by a clock that was never behind that of the one before. Only so the instants
   * of records say what waited when. Default `false`.
   */
  readonly oneClock?: boolean
  /** Everything has come to its end: live occurrences are violations. Default `false`. */
  readonly atRest?: boolean
}

/** What `checkLedger` found. */
export interface LedgerReport {
  /** How many jobs were looked at. */
  readonly jobs: number
  /** How many occurrences were looked at. */
  readonly occurrences: number
  /** Empty for a sound ledger. */
  readonly violations: readonly LedgerViolation[]
}
