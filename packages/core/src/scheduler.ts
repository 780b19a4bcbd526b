import type { DurationInput } from './duration.ts'
import type { SchedulerEventName, SchedulerListener } from './events.ts'
import type { JobOperations } from './job-operations.ts'
import type { RunDueOptions, RunDueReport } from './run-due.ts'

/** Options of `shutdown`. */
export interface ShutdownOptions {
  /**
   * How long runs may continue before the node fires the `AbortSignal`s of their handlers. Default: the scheduler's
   * `gracePeriod`, 20 s. With this default, the shutdown ends within the 30 s that container platforms give a process.
   *
   * If the storage does not answer, the node fires the signals earlier. The whole shutdown then ends 3 s before the end of this
   * `gracePeriod`.
   */
  readonly gracePeriod?: DurationInput
  /**
   * How long the shutdown waits for handlers after their `AbortSignal`s have fired. Default: the scheduler's
   * `abortGracePeriod`, 5 s.
   */
  readonly abortGracePeriod?: DurationInput
}

/**
 * One node, which runs the jobs of a storage together with all other nodes on the same storage.
 *
 * Lists, counts and single records only need the storage, so these calls work without `start`: `jobs`, `job`, `versions`,
 * `occurrences`, `occurrence`, `live`, `failures`, `counts`, `isRunning`, `nodes`. Every other call rejects with
 * `SCHEDULER_STATE` while the scheduler is not running. Calls also reject with:
 * - a `STORAGE_…` code if the storage fails
 * - `STORAGE_TIMEOUT` if the storage does not answer within the scheduler's `callTimeout` or the call's `timeout`; a request
 *   that was sent may still take effect
 * - `ABORTED` if the call's `signal` fires; a request that was sent may still take effect
 */
export interface Scheduler extends JobOperations, AsyncDisposable {
  /** This node's name. */
  readonly nodeId: string
  /** Identifies this life of the node; `nodes()` reports the same value. Each scheduler object has a different incarnation. */
  readonly incarnation: string
  /**
   * Stores the definitions, decides which missed slots run, and begins to run jobs. Resolves once the node schedules jobs. If
   * the storage does not answer, `start` repeats its calls.
   *
   * If this node cannot load a job's stored schedule, this node logs one error, and other nodes launch the job's slots. This
   * node still runs the occurrences that those nodes create.
   * @throws JobistemerError `SCHEDULER_STATE` when the scheduler was started before or is shut down meanwhile; `NODE_ID_IN_USE`
   *   when a living node has the same name; `UNKNOWN_SCHEDULE_TYPE` when a job in `jobs` replaces a stored schedule that this
   *   node cannot load, and that schedule still has slots to decide
   */
  start(): Promise<void>
  /**
   * Runs due work within a budget, and returns. Call `runDue` instead of `start` in a function or route that a timer calls.
   *
   * Each call of `runDue` is a node. Calls may overlap. A call works in these steps:
   * - The call takes over the runs that killed calls have left behind.
   * - The call runs due slots until nothing is due or its budget is over.
   * - The call hands unfinished runs back.
   *
   * A killed call counts as dead 5 s after the end of its budget. The first call that begins after that takes over its runs.
   * Therefore choose a budget that is at least 10 s shorter than the time between two calls.
   * @throws JobistemerError `SCHEDULER_STATE` when the scheduler was started or shut down; `STORAGE_TIMEOUT` when the storage
   *   has not answered and nothing could begin within the budget; `STORAGE_CLOSED`, `STORAGE_REPLACED` when the storage was
   *   closed during the call, or its file removed: the call has aborted its runs, and another call takes them over; `ABORTED`
   *   when the signal fired before anything could begin; `INVALID_DURATION`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION`, and the
   *   errors of `start`
   */
  runDue(options?: RunDueOptions): Promise<RunDueReport>
  /**
   * Stops the node, in these steps:
   * - The node starts no further runs, and lets running tasks continue for the grace period.
   * - The node fires the `AbortSignal`s of the handlers that still run.
   * - The node hands unfinished runs back.
   *
   * Afterwards the scheduler does not keep the process alive. A second call of `shutdown` waits for the first call. The
   * shutdown also waits for hooks. If an `onComplete` calls `shutdown` before its first `await`, the shutdown does not wait for
   * that `onComplete`. If a handler awaits `shutdown`, the shutdown lasts until the grace periods are over.
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
