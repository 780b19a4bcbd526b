import type { RetryPolicyInCode, TaskSettingsInput } from '../configuration/settings.ts'
import type { DurationInput } from '../duration.ts'
import type { AttemptId, JobId, OccurrenceId, TaskId, TaskRunId } from '../ids.ts'
import type { Jsonify, JsonValue } from '../json.ts'
import type { Logger } from '../logger.ts'
import type { BackfillRecord, OccurrenceKind, OccurrenceState } from '../storage/occurrence-record.ts'
import { readNumber } from '../configuration/read-value.ts'
import { invalidValue } from '../errors.ts'

/** An earlier run of the job, as `previousRun` returns it. */
export interface PreviousRun {
  readonly id: OccurrenceId
  /** The instant that the earlier run worked for, as its handler got it. */
  readonly scheduledAt: Date
  /** When the earlier run ended. */
  readonly finishedAt: Date
  /** The final state of the earlier run. */
  readonly state: OccurrenceState
}

/** The missed slots that a run covers. */
export interface CoveredSpan {
  /** The first missed slot. */
  readonly from: Date
  /** The last missed slot. */
  readonly to: Date
  /** Number of slots from `from` to `to`, both included, without slots that were canceled ahead. */
  readonly count: number
}

/** The backfill that a run belongs to. */
export interface BackfillReference {
  /** The key that names the backfill. */
  readonly key: string
  /** The slot that the run makes up for. */
  readonly slot: Date
  /** The beginning of the span of the backfill, inclusive. */
  readonly from: Date
  /** The end of the span of the backfill, exclusive. */
  readonly to: Date
  /** Which slots the backfill runs. */
  readonly which: BackfillRecord['which']
  /** The order of the backfill's runs. */
  readonly order: BackfillRecord['order']
}

/** Describes an occurrence. Hooks get this context, and every task's context contains it. */
export interface OccurrenceContext<Input = JsonValue | undefined> {
  /** The job, in the version that the occurrence runs under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The id of the run's occurrence, and its kind: a slot, a trigger or a replay. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /**
   * The instant that the run works for: its slot. For a run of a backfill, the slot that the run makes up for. For a trigger,
   * the requested instant. For a replay, the instant of its original.
   */
  readonly scheduledAt: Date
  /** When the trigger or replay was requested. For a run of a backfill: when the run was created. `null` for a slot. */
  readonly requestedAt: Date | null
  /** When the present owner claimed the occurrence. */
  readonly startedAt: Date
  /**
   * How late the run started, in milliseconds: `startedAt - scheduledAt`. For a replay and a run of a backfill, `scheduledAt`
   * is the instant of earlier work. So for these runs, the delay counts from the planned start of the run itself.
   */
  readonly latenessMs: number
  /** True if the recovery of missed slots created the run. */
  readonly recovered: boolean
  /** The original that this run replays; `null` if the run is no replay. */
  readonly replayOf: OccurrenceId | null
  /** The backfill of this run; `null` if the run belongs to no backfill. */
  readonly backfill: BackfillReference | null
  /**
   * The missed slots that this run covers under the recovery strategy `compressed`. A replay has the span of its original.
   * `null` for any other run.
   */
  readonly span: CoveredSpan | null
  /**
   * A number that grows with each owner of the occurrence. Pass the token to the system that the task writes to. That system
   * can then reject a writer whose token is smaller than the largest token so far.
   */
  readonly fencingToken: number
  /**
   * The data of `trigger` or `replay`; for a job with a payload schema, the output of the schema. Each attempt has its own copy.
   */
  readonly input: Input
  /**
   * The scheduler's logger. Each line names the job and occurrence, and in a task also the task and attempt. With
   * `keepLogs` the storage keeps the lines of a task with its attempt.
   */
  readonly logger: Logger
  /**
   * Returns the present time of the scheduler: by the storage's clock if the storage has a clock, and by the virtual clock in
   * tests.
   */
  now(): Date
  /**
   * Asks the storage for the job's latest finished run whose instant lies before the instant of this run. Resolves with `null`
   * if the job has no such run.
   */
  previousRun(): Promise<PreviousRun | null>
}

/**
 * What the handler of a task gets. Destructure it or pass it on. A spread (`{ ...context }`) lacks most members, because they
 * are getters.
 */
export interface TaskContext<Data = unknown, Input = JsonValue | undefined> extends OccurrenceContext<Input> {
  /** The task that the handler works for. */
  readonly task: { readonly id: TaskId; readonly name: string }
  /** The id of the task run. All attempts of the task in this occurrence have the same id. */
  readonly taskRunId: TaskRunId
  /** The id of this attempt. */
  readonly attemptId: AttemptId
  /** Number of this attempt, from 1. The number includes attempts that were handed back before their handler was called. */
  readonly attempt: number
  /** The task's own `data`, after a JSON round trip. Each attempt has its own copy. */
  readonly data: Data
  /** Fires on timeout, fail-fast, cancel and shutdown, and when another node has taken the occurrence. */
  readonly signal: AbortSignal
  /**
   * Reports the progress of the attempt: a fraction from 0 to 1, and a message that is cut after 200 characters.
   * `occurrence(id)` returns the latest report. The node stores the report within about 1 s, together with other writes, so
   * frequent calls are cheap. After the end of the attempt, `progress` does nothing. A retry begins without progress.
   * @throws JobistemerError `INVALID_ARGUMENT` for a number that is not between 0 and 1, or a message that is not a string
   */
  progress(fraction: number, message?: string): void
  /** Results of the completed tasks of this occurrence, by the tasks' names. Each access returns a new copy. */
  readonly results: Readonly<Record<string, JsonValue | undefined>>
  /**
   * Resolves after the duration, by the scheduler's clock; with a virtual clock in tests, no real time passes. If `signal`
   * fires first, `sleep` rejects with the signal's reason.
   * @throws JobistemerError `INVALID_DURATION`
   */
  sleep(duration: DurationInput): Promise<void>
  /**
   * Ends the task in the handler's own transaction. The handler's writes and the end of the task commit or roll back together,
   * under this owner's fencing token. These rules apply:
   * - Call `complete` last, then commit, then return.
   * - `result` is the result of the task. The engine ignores the return value of the handler.
   * - After a rollback, the handler may call `complete` again in another transaction.
   * - A call that rejects makes its transaction impossible to commit, even if the handler ignores the error.
   *
   * After the handler has ended, the stored record shows whether the task has completed. If the record holds the completion,
   * the task has completed, even if the handler threw. Otherwise the attempt has failed (`TRANSACTION_NOT_COMMITTED`), and the
   * retry policy applies.
   * @throws JobistemerError `INVALID_TRANSACTION`, `TRANSACTION_NOT_SUPPORTED`; `OCCURRENCE_LOST` when another node has the
   * occurrence; the reason of `signal` if it has fired (`ABORTED`, `TASK_TIMEOUT` …); `ALREADY_COMPLETED`; `ATTEMPT_OVER` after
   * the handler has ended; `RESULT_NOT_SERIALISABLE`, `RESULT_TOO_LARGE`; the errors of the storage
   */
  complete(transaction: unknown, result?: unknown): Promise<void>
  /**
   * Returns the result of a completed task after its JSON round trip, typed by the task's definition.
   * @throws JobistemerError `RESULT_NOT_AVAILABLE` if the task has not completed in this occurrence.
   */
  result<Result>(task: TaskReference<Result>): Jsonify<Result>
}

/**
 * The context that the handler of an isolated task gets in its thread or process. The child cuts log lines after 1,000
 * characters. If the handler logs more than 500 lines per second, the child leaves out some lines.
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

/** What `context.result` takes: the name of a task, with the type of the task's result. */
export interface TaskReference<Result> {
  readonly name: string
  /** `context.result` uses only the type of `run`, and does not call `run`. */
  run?(context: never): Result | Promise<Result>
}

/** Where the handler of an isolated task runs: in a thread of the node's process, or in a separate process. */
export type Isolation = 'thread' | 'process'

/** Memory limits of a child in megabytes, as for Node's worker threads. Default: the limits of V8. */
export interface IsolatedResourceLimits {
  /** Maximum heap of old objects, in megabytes. A child that needs more dies, and its attempt fails with `CHILD_DIED`. */
  readonly maxOldGenerationSizeMb?: number
  /** Maximum heap of new objects, in megabytes. */
  readonly maxYoungGenerationSizeMb?: number
  /** Memory for generated code, in megabytes; for threads only. */
  readonly codeRangeSizeMb?: number
  /** Size of the stack, in megabytes; for threads only. */
  readonly stackSizeMb?: number
}

/** The module of an isolated task, and where it runs. */
export interface IsolationOptions {
  /**
   * The file whose default export is the handler: `new URL('./render.js', import.meta.url)`, or the result of
   * `import.meta.resolve('./render.js')`. The file may be TypeScript if Node itself can run it: 22.18 and later.
   */
  readonly module: URL | string
  /**
   * Where the handler runs. Default `thread`. A crash of native code in a `process` ends only that child; in a `thread`, the
   * crash also ends the node.
   */
  readonly isolation?: Isolation
  /**
   * Whether the node keeps children for further attempts of the same module. The node reuses a child only if the child's
   * attempt ended by itself. The node ends a child after 30 s without work. Default false: a new child for each attempt.
   */
  readonly pool?: boolean
  /** Memory limits of the child. Default: the limits that V8 chooses. */
  readonly resourceLimits?: IsolatedResourceLimits
  /**
   * All environment variables of the child. Default: the variables of the node. `{ ...process.env, NAME: 'value' }` adds a
   * variable.
   */
  readonly env?: Readonly<Record<string, string>>
  /**
   * How long the handler may take to stop after its signal has fired. Then the node kills the child of the handler. The default
   * is 5 s. In the following cases another node may soon run the occurrence, so the node waits at most 5 s:
   * - after the execution timeout
   * - after the loss of the occurrence
   * - after the node is isolated under `whileIsolated: 'abort'`
   */
  readonly killAfter?: DurationInput
}

/**
 * One task of a job. Its handler is the function `run`, a registered `handler`, or the default export of `module`. The handler
 * of a `module` runs in a separate thread or process.
 */
export interface TaskDefinition<Data = unknown, Result = unknown, Input = JsonValue | undefined>
  extends TaskSettingsInput,
    Partial<IsolationOptions> {
  /** Name of the task, unique in its job; 1 to 255 characters. */
  readonly name: string
  /**
   * Plain data for the handler, as a part of the definition. Values that JSON would change (a `Date`, a `Map`, `NaN`) are
   * rejected. Members that are `undefined` are left out.
   */
  readonly data?: Data
  /** How the node retries the task. Default: the retry policy of the job. */
  readonly retryPolicy?: RetryPolicyInCode
  /**
   * The handler of the task. The storage keeps the handler's return value as JSON with the run. A return value that JSON would
   * change fails the attempt.
   */
  run?(context: TaskContext<Jsonify<Data>, Input>): Result | Promise<Result>
  /**
   * Name of a handler in `createScheduler({ handlers })`. If all tasks name handlers, any node with these handlers can run the
   * job.
   */
  readonly handler?: string
}

/** A task whose handler is a function in code. */
export interface RunnableTask<Data = unknown, Result = unknown> extends TaskDefinition<Data, Result> {
  /** The handler of the task. The storage keeps the handler's return value as JSON with the run. */
  run(context: TaskContext<Jsonify<Data>>): Result | Promise<Result>
}

/** A handler function. Tasks name the function in their member `handler`. */
export type TaskHandler = (context: TaskContext<JsonValue | undefined>) => unknown

/**
 * Defines a task outside a job, so that later tasks can read the task's result with its type.
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

// `checkProgress` and the functions below it implement methods of the context, both on the node and in the child of an isolated
// task.

/** Checks the arguments of `progress`. @throws JobistemerError `INVALID_ARGUMENT` */
export function checkProgress(fraction: number, message: string | undefined): void {
  readNumber(fraction, 'fraction', 0, 1)
  if (message === undefined || typeof message === 'string') return
  throw invalidValue('message', 'is not a text', message, 'Give a string or leave it out.')
}

/**
 * Returns the result of an earlier task.
 *
 * @throws JobistemerError `RESULT_NOT_AVAILABLE`
 */
export function resultOf<Result>(
  { name }: TaskReference<Result>,
  results: Readonly<Record<string, JsonValue | undefined>>,
): Jsonify<Result> {
  if (Object.hasOwn(results, name)) return results[name] as Jsonify<Result>
  const remedy = 'Ask only for tasks that come before this one, and that completed.'
  throw invalidValue('task', 'has not completed in this occurrence', name, remedy, 'RESULT_NOT_AVAILABLE')
}
