import type { RetryPolicyInCode, TaskSettingsInput } from '../configuration/settings.ts'
import type { DurationInput } from '../duration.ts'
import type { AttemptId, JobId, OccurrenceId, TaskId, TaskRunId } from '../ids.ts'
import type { Jsonify, JsonValue } from '../json.ts'
import type { Logger } from '../logger.ts'
import type { BackfillRecord, OccurrenceKind, OccurrenceState } from '../storage/occurrence-record.ts'

/** A run of the job before the present one. */
export interface PreviousRun {
  readonly id: OccurrenceId
  /** The instant that it worked for, as its handler had it. */
  readonly scheduledAt: Date
  /** When it ended. */
  readonly finishedAt: Date
  /** How it ended. */
  readonly state: OccurrenceState
}

/** Slots that one run stands for. */
export interface CoveredSpan {
  /** The first missed slot. */
  readonly from: Date
  /** The last missed slot. */
  readonly to: Date
  /** How many slots, both ends included. Those between them that were canceled ahead do not count. */
  readonly count: number
}

/** The backfill that a run belongs to. */
export interface BackfillReference {
  /** Names the backfill. */
  readonly key: string
  /** The slot that the run makes up for. */
  readonly slot: Date
  /** The beginning of the span of the backfill, inclusive. */
  readonly from: Date
  /** The end of the span of the backfill, exclusive. */
  readonly to: Date
  /** Which of its slots are run. With this, `from`, `to`, `order` and `key`, `backfill` says how far it is. */
  readonly which: BackfillRecord['which']
  /** In which they are run. */
  readonly order: BackfillRecord['order']
}

/** What an occurrence is: handed to hooks, and part of every task's context. */
export interface OccurrenceContext<Input = JsonValue | undefined> {
  /** The job, in the version that the occurrence runs under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The occurrence, and how it came to be. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /**
   * The instant that the run works for: its slot. A run of a backfill has the slot that it makes up for. A trigger has the
   * instant for which it was asked. A replay has that of its original.
   */
  readonly scheduledAt: Date
  /** When the trigger or replay was asked for. A run of a backfill: when the run was created. `null` for a slot. */
  readonly requestedAt: Date | null
  /** When the present owner took it. */
  readonly startedAt: Date
  /**
   * `startedAt - scheduledAt`, in milliseconds. Of a replay and of a backfill's run: the time since that run was to start,
   * so that a replay after eight hours is not eight hours late.
   */
  readonly latenessMs: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that this one replays; `null` for others. */
  readonly replayOf: OccurrenceId | null
  /** The backfill that it is a run of; `null` for others. */
  readonly backfill: BackfillReference | null
  /** The missed slots that it, or the original of a replay, covers under the recovery strategy `compressed`. */
  readonly span: CoveredSpan | null
  /**
   * Grows with each owner of the occurrence. Hand it on to what the task writes to: a writer with a smaller token than
   * one seen before was replaced while it was paused.
   */
  readonly fencingToken: number
  /** Data handed to `trigger` or `replay`; of a job with a payload schema what that has made of them. */
  readonly input: Input
  /**
   * The scheduler's. Each line says which job and occurrence it is of, and in a task which task and attempt. With
   * `keepLogs` the lines of a task are also kept with its attempt.
   */
  readonly logger: Logger
  /** The present time, as the scheduler has it: the storage's where that has a clock, and in tests the virtual one. */
  now(): Date
  /** The latest finished run of the job at an earlier instant; asks the storage. */
  previousRun(): Promise<PreviousRun | null>
}

/** What a task's handler gets. */
export interface TaskContext<Data = unknown, Input = JsonValue | undefined> extends OccurrenceContext<Input> {
  /** The task that the handler works for. */
  readonly task: { readonly id: TaskId; readonly name: string }
  /** The task inside this occurrence: the same for all of its attempts. */
  readonly taskRunId: TaskRunId
  /** This attempt. */
  readonly attemptId: AttemptId
  /** 1 for the first try. One that was handed back before its handler was called counts too. */
  readonly attempt: number
  /** The task's own `data`, as JSON gives it back. */
  readonly data: Data
  /** Fires on timeout, fail-fast, cancellation, shutdown, and when the occurrence was taken from this node. */
  readonly signal: AbortSignal
  /**
   * Says how far the attempt has come, 0 to 1, and what it is at: a text that is cut after 200 characters. Everybody can
   * read it, in `occurrence(id)`. The last one counts. It is written about a second later at most, with what is written
   * anyway; so it may be called as often as one likes. Once the attempt has ended it does nothing, and a retry begins
   * without.
   * @throws JobistemerError `INVALID_ARGUMENT` for a number that is not between 0 and 1, or a message that is not a text
   */
  progress(fraction: number, message?: string): void
  /** Results of the tasks of this occurrence that have completed, by name. */
  readonly results: Readonly<Record<string, JsonValue | undefined>>
  /**
   * Waits for so long by the scheduler's clock: in tests with a virtual one, no real time passes. Rejects with the
   * reason of `signal` when that fires before.
   * @throws JobistemerError `INVALID_DURATION`
   */
  sleep(duration: DurationInput): Promise<void>
  /**
   * Ends the task in a transaction of the handler's own: what the handler writes there and the end of the task stand or
   * fall together, under this owner's fencing token. Call it last, then commit, then return. `result` is the task's, and
   * what the handler returns does not count.
   *
   * When the handler has ended, the stored record decides. If the completion is there, the task has completed, also when
   * the handler has thrown. If it is not, the attempt has failed (`TRANSACTION_NOT_COMMITTED`), with a retry by the job's
   * rules. After a rollback the same handler may try again in another transaction. A call that rejects makes the commit of
   * its transaction impossible, also when the error is swallowed.
   * @throws JobistemerError `INVALID_TRANSACTION`, `TRANSACTION_NOT_SUPPORTED`; `OCCURRENCE_LOST` when another node has the
   * occurrence; what `signal` has fired with (`ABORTED`, `TASK_TIMEOUT` …); `ALREADY_COMPLETED`; `ATTEMPT_OVER` after the
   * handler has ended; `RESULT_NOT_SERIALISABLE`, `RESULT_TOO_LARGE`; what the storage fails with
   */
  complete(transaction: unknown, result?: unknown): Promise<void>
  /**
   * The result of a task that has completed, typed by the task, as JSON gives it back.
   * @throws JobistemerError `RESULT_NOT_AVAILABLE` when it has not completed in this occurrence.
   */
  result<Result>(task: TaskReference<Result>): Jsonify<Result>
}

/**
 * What the handler of an isolated task gets, in its thread or process. It is a {@link TaskContext} of its own: what it logs
 * and how far it has come goes to the node, `sleep` and `previousRun` ask it. Lines are cut after 1,000 characters, and
 * beyond 500 a second some are left out.
 *
 * @example
 * // render.js
 * export default async function render({ data, signal, progress }: IsolatedTaskContext<{ page: string }>) {
 *   progress(0.5, 'layout')
 *   return { bytes: 4711 }
 * }
 */
export type IsolatedTaskContext<Data = unknown, Input = JsonValue | undefined> = Omit<
  TaskContext<Data, Input>,
  'complete'
>

/** A task, as far as its result goes. */
export interface TaskReference<Result> {
  readonly name: string
  /** Only its type counts here. */
  run?(context: never): Result | Promise<Result>
}

/** In what the handler of an isolated task runs: a thread of the node's process, or a process of its own. */
export type Isolation = 'thread' | 'process'

/** Bounds of a child, as Node's worker threads have them, in megabytes. Default: what V8 chooses. */
export interface IsolatedResourceLimits {
  /** The heap of what lives on. A child that needs more dies, and its attempt fails with `CHILD_DIED`. */
  readonly maxOldGenerationSizeMb?: number
  /** The heap of what has just been made. */
  readonly maxYoungGenerationSizeMb?: number
  /** Memory for generated code; threads only. */
  readonly codeRangeSizeMb?: number
  /** The stack; threads only. */
  readonly stackSizeMb?: number
}

/** Where the work of an isolated task is, and in what it runs. */
export interface IsolationOptions {
  /**
   * The file whose default export does the work: `new URL('./render.js', import.meta.url)`, or what
   * `import.meta.resolve('./render.js')` answers. TypeScript where Node itself can run it: 22.18 and later.
   */
  readonly module: URL | string
  /** Default `thread`. A crash of native code ends a `process` alone, but a `thread` together with its node. */
  readonly isolation?: Isolation
  /**
   * Keep children for further attempts of the same module. One is used again only when its attempt has ended by itself,
   * and is ended when it was idle for 30 s. Default false: a fresh one for each attempt.
   */
  readonly pool?: boolean
  /** Default: what V8 chooses. */
  readonly resourceLimits?: IsolatedResourceLimits
  /** All environment variables of the child. Default: the node's. `{ ...process.env, NAME: 'value' }` adds one. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * How long the handler may take to stop once its signal has fired; then its child is killed. Default 5 s, and never more
   * than 5 s after the execution timeout, once its node is isolated under `whileIsolated: 'abort'`, or once the occurrence
   * is lost: another node may begin it soon after, or has begun it.
   */
  readonly killAfter?: DurationInput
}

/**
 * One unit of work of a job: its work is `run`, or the handler that nodes registered under the name `handler`, or the
 * default export of `module`, which runs in a thread or a process of its own.
 */
export interface TaskDefinition<Data = unknown, Result = unknown, Input = JsonValue | undefined>
  extends TaskSettingsInput,
    Partial<IsolationOptions> {
  /** Unique in its job; 1 to 255 characters. */
  readonly name: string
  /**
   * Plain data for the handler; part of the definition. What JSON would change (a `Date`, a `Map`, `NaN`) is refused; a
   * member that is `undefined` is left out.
   */
  readonly data?: Data
  /** Default: no retry. */
  readonly retryPolicy?: RetryPolicyInCode
  /** Does the work. What it returns is kept as JSON with the run; what JSON would change fails the attempt. */
  run?(context: TaskContext<Jsonify<Data>, Input>): Result | Promise<Result>
  /** Name of a handler in `createScheduler({ handlers })`: the job is data alone, and any node with it can run it. */
  readonly handler?: string
}

/** A task with its work in it. */
export interface RunnableTask<Data = unknown, Result = unknown> extends TaskDefinition<Data, Result> {
  /** Does the work. What it returns is kept as JSON with the run. */
  run(context: TaskContext<Jsonify<Data>>): Result | Promise<Result>
}

/** What does the work of tasks that name it as their `handler`. */
export type TaskHandler = (context: TaskContext<JsonValue | undefined>) => unknown

/**
 * A task of its own, so that later tasks can ask for its result with its type.
 *
 * @example
 * const count = defineTask({ name: 'count', run: async () => ({ rows: 3 }) })
 * const print = defineTask({ name: 'print', run: (context) => `${context.result(count).rows} rows` })
 */
export function defineTask<const Data = undefined, Result = unknown>(
  task: RunnableTask<Data, Result>,
): RunnableTask<Data, Result> {
  return task
}
