import type { DurationInput } from './duration.ts'
import type { SchedulerEventName, SchedulerListener } from './events.ts'
import type { JobOperations } from './job-operations.ts'
import type { RunDueOptions, RunDueReport } from './run-due.ts'

/** How to shut down. */
export interface ShutdownOptions {
  /**
   * How long running work may go on. Then its signals fire. Default: the scheduler's, 20 s. With the abort grace, 2 s for
   * children that are killed and 2 s for the farewell it fits into the 30 s that container platforms give. While the
   * storage is away, the whole shutdown ends 3 s before the grace period does.
   */
  readonly gracePeriod?: DurationInput
  /**
   * How long handlers may take to stop once their signals have fired. What runs then is left behind. Default: the
   * scheduler's, 5 s.
   */
  readonly abortGracePeriod?: DurationInput
}

/**
 * One node: runs jobs on a storage, together with all other nodes on the same storage. One that is never started can
 * still read: `isRunning` and `occurrences` ask the storage alone.
 *
 * What else is asked of a scheduler that is not running is refused with `SCHEDULER_STATE`; a storage that fails under a
 * call makes it reject with the storage's own error, a `STORAGE_…` code. One that does not answer makes it reject with
 * `STORAGE_TIMEOUT` after the scheduler's `callTimeout` or the call's own `timeout`, and with `ABORTED` when the call's
 * `signal` fires: what was sent may still take effect then.
 */
export interface Scheduler extends JobOperations, AsyncDisposable {
  /** This node's name. */
  readonly nodeId: string
  /** Which of the lives of a node of this name it is: what `nodes()` says of it has the same one. Each scheduler has its own. */
  readonly incarnation: string
  /**
   * Stores the definitions, settles what was missed, and begins to run jobs. Resolves once jobs are being scheduled. A
   * storage that does not answer is asked until it does.
   *
   * A job that has another schedule in the storage than here, or none here at all, stops no start: where this node cannot
   * revive that schedule, it logs an error once, leaves the job's slots to other nodes, and runs what they create.
   * @throws JobistemerError `SCHEDULER_STATE` when it was started before, or is shut down meanwhile; `NODE_ID_IN_USE` when
   * a node of this name lives;
   * `UNKNOWN_SCHEDULE_TYPE` when one of its `jobs` is to take the place of a stored schedule that has slots to decide
   * and that this node cannot revive
   */
  start(): Promise<void>
  /**
   * Runs what is due, and returns: for a function that is called each minute, a route that a timer asks for, a container
   * that is there only while there is work. In place of `start`, never beside it.
   *
   * A call is a node of its own for as long as it lasts. It takes over what earlier calls have left, launches what is due,
   * runs it, and launches what becomes due meanwhile, until nothing is or its budget is over; then what has not ended is
   * handed back. Calls may overlap, in one process or in several. A call that was killed is taken over by the first one
   * that begins 5 s after its budget or later: so give a budget that is 10 s shorter than the time between two calls, or
   * more.
   * @throws JobistemerError `SCHEDULER_STATE` when the scheduler was started or shut down; `STORAGE_TIMEOUT` when the
   * storage has not answered and nothing could begin within the budget; `STORAGE_CLOSED`, `STORAGE_REPLACED` when the
   * storage was closed under it, or its file taken away: what ran was told to stop, and is left to another call; `ABORTED`
   * when the signal fired before anything could begin; `INVALID_DURATION`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION`, and what `start` throws
   */
  runDue(options?: RunDueOptions): Promise<RunDueReport>
  /**
   * Starts nothing more, tells running tasks to stop, waits for them, and hands back what has stopped before its end.
   * Nothing of the scheduler keeps the process alive afterwards. A second call waits for the first. It waits for hooks too,
   * but not for an `onComplete` that calls it as `() => scheduler.shutdown()` does, before it has awaited anything. A
   * handler that awaits it waits for itself, until the grace periods are over.
   * @throws JobistemerError `INVALID_DURATION`, `UNKNOWN_OPTION`
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /** Adds a listener; call what it returns to take it away. @throws JobistemerError `INVALID_ARGUMENT` */
  on<Name extends SchedulerEventName>(event: Name, listener: SchedulerListener<Name>): () => void
}
