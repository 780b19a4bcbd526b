/**
 * A kind of data to read again. A change names the kind of data that has changed, but not the new values.
 *
 * - `start`: the first change of each iteration. Read all data now. The iteration reports all later changes.
 * - `jobs`: definitions were stored, changed or deleted, or jobs were paused or resumed. A pause that ends by itself changes
 *   no stored data and is not reported: `JobInfo.paused.until` has its end.
 * - `runs`: occurrences were created, started or ended. Affects counts, live occurrences, histories and next slots.
 * - `failures`: runs have failed. A change `runs` comes with it.
 * - `nodes`: a node has joined, is leaving, has ended or is lost.
 * - `away`: the storage does not answer. The iteration retries at growing intervals.
 * - `back`: the storage answers again. Read all data.
 */
export type Change =
  | { readonly kind: 'start' | 'runs' | 'nodes' | 'back' }
  | {
      readonly kind: 'jobs' | 'failures'
      /** The names of the affected jobs. `null`: too many or unknown, so any job may be affected. */
      readonly jobs: readonly string[] | null
    }
  | {
      readonly kind: 'away'
      /** The error of the storage, or of the client while it connected. */
      readonly error: unknown
    }

/** The names of the affected jobs. Empty: none. `null`: any job may be affected. */
export type ChangedJobs = ReadonlySet<string> | null

/** The differences between two scans. */
export interface Difference {
  readonly jobs: ChangedJobs
  readonly runs: boolean
  readonly failures: ChangedJobs
  readonly nodes: boolean
}
