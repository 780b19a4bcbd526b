/**
 * What to read again. Each says that something has changed, and not what.
 *
 * - `start`: the first of each iteration. Read everything now: what changes from here on is told.
 * - `jobs`: definitions were stored, changed or deleted, or jobs paused or resumed. A pause that ends by
 *   itself changes nothing that is stored, and is not told: `JobInfo.paused.until` says when that is.
 * - `runs`: occurrences were created, began, or ended: counts, what runs and waits, histories, next slots.
 * - `failures`: runs have failed since. `runs` comes with it.
 * - `nodes`: a node has joined, is leaving, has ended or is lost.
 * - `away`: the storage does not answer, with what it said last. It is asked again, more and more rarely.
 * - `back`: it answers again. Read everything.
 */
export type Change =
  | { readonly kind: 'start' | 'runs' | 'nodes' | 'back' }
  | {
      readonly kind: 'jobs' | 'failures'
      /** The names of the jobs concerned; `null` when they are too many, or not known: it may be any. */
      readonly jobs: readonly string[] | null
    }
  | {
      readonly kind: 'away'
      /** What the storage, or the client that waited for it, threw. */
      readonly error: unknown
    }

/** The names of jobs; none; or `null`, when it may be any. */
export type ChangedJobs = ReadonlySet<string> | null

/** What one look has found to differ from the look before. */
export interface Difference {
  readonly jobs: ChangedJobs
  readonly runs: boolean
  readonly failures: ChangedJobs
  readonly nodes: boolean
}
