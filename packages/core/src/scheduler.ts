import type { DurationInput } from './duration.ts'
import type { SchedulerEventName, SchedulerListener } from './events.ts'
import type { JobOperations } from './job-operations.ts'
import type { RunDueOptions, RunDueReport } from './run-due.ts'

/** Options of `shutdown`. */
export interface ShutdownOptions {
  /**
   * How long runs may continue before their signals fire. Default: the scheduler's `gracePeriod`, 20 s. Container platforms
   * give a process 30 s to end. The default leaves room for the abort grace period, 2 s to kill children and 2 s to end the
   * node's record. While the storage does not answer, the whole shutdown ends 3 s before the end of the grace period.
   */
  readonly gracePeriod?: DurationInput
  /**
   * How long the shutdown waits for handlers after their signals have fired. Then the shutdown no longer waits for handlers
   * that still run. Default: the scheduler's `abortGracePeriod`, 5 s.
   */
  readonly abortGracePeriod?: DurationInput
}

/**
 * One node, which runs the jobs of a storage together with all other nodes on the same storage. A scheduler that is never
 * started can still read: `isRunning` and `occurrences` only read the storage.
 *
 * Every other call rejects with `SCHEDULER_STATE` while the scheduler is not running. If the storage fails, a call rejects with
 * the storage's own error, a `STORAGE_…` code. If the storage does not answer, a call rejects with `STORAGE_TIMEOUT` after the
 * scheduler's `callTimeout` or the call's `timeout`. If the call's `signal` fires, the call rejects with `ABORTED`. In both
 * cases a request that was sent may still take effect.
 */
export interface Scheduler extends JobOperations, AsyncDisposable {
  /** This node's name. */
  readonly nodeId: string
  /** Identifies this life of the node; `nodes()` reports the same value. Each scheduler object has a different incarnation. */
  readonly incarnation: string
  /**
   * Stores the definitions, decides the missed slots, and begins to run jobs. Resolves once jobs are being scheduled. If the
   * storage does not answer, `start` repeats its calls until the storage answers.
   *
   * A stored schedule may differ from the schedule in this node's code; `start` does not reject then. If this node cannot
   * revive the stored schedule, this node logs one error and leaves the job's slots to other nodes. It still runs the
   * occurrences that those nodes create.
   * @throws JobistemerError `SCHEDULER_STATE` when the scheduler was started before or is shut down meanwhile; `NODE_ID_IN_USE`
   * when a node of this name lives; `UNKNOWN_SCHEDULE_TYPE` when one of its `jobs` replaces a stored schedule that has slots to
   * decide and that this node cannot revive
   */
  start(): Promise<void>
  /**
   * Runs due work and returns. Use `runDue` where no process lives on. Examples are a function or route that a timer calls, and
   * a container that exists only while there is work. Call `runDue` instead of `start`, not in addition to `start`.
   *
   * Each call is a node while it lasts. The call takes over the runs that earlier calls have left. The call launches and runs
   * due slots until nothing is due or its budget is over. Then the call hands unfinished runs back. Calls may overlap, in one
   * process or in several. If a call was killed, a later call takes over its runs: the first one that begins at least 5 s after
   * the budget of the killed call is over. Therefore give a budget that is at least 10 s shorter than the time between two
   * calls.
   * @throws JobistemerError `SCHEDULER_STATE` when the scheduler was started or shut down; `STORAGE_TIMEOUT` when the storage
   *   has not answered and nothing could begin within the budget; `STORAGE_CLOSED`, `STORAGE_REPLACED` when the storage was
   *   closed during the call, or its file removed: the call has aborted its runs, and another call takes them over; `ABORTED`
   *   when the signal fired before anything could begin; `INVALID_DURATION`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION`, and the
   *   errors of `start`
   */
  runDue(options?: RunDueOptions): Promise<RunDueReport>
  /**
   * Stops the node. The node starts no further runs, lets running tasks continue for the grace period, fires their signals, and
   * hands unfinished runs back. Afterwards the scheduler does not keep the process alive. A second call of `shutdown` waits for
   * the first. The shutdown also waits for hooks, except for an `onComplete` that calls `shutdown` before it has awaited
   * anything, as `() => scheduler.shutdown()` does. A handler that awaits `shutdown` waits for itself until the grace periods
   * are over.
   * @throws JobistemerError `INVALID_DURATION`, `UNKNOWN_OPTION`
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /**
   * Adds a listener of an event. The returned function removes the listener.
   *
   * @throws JobistemerError `INVALID_ARGUMENT`
   */
  on<Name extends SchedulerEventName>(event: Name, listener: SchedulerListener<Name>): () => void
}
