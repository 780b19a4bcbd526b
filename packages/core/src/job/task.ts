import type { RetryPolicyInCode, TaskSettingsInput } from '../configuration/settings.ts'
import type { DurationInput } from '../duration.ts'
import type { AttemptId, JobId, OccurrenceId, TaskId, TaskRunId } from '../ids.ts'
import type { Jsonify, JsonValue } from '../json.ts'
import type { Logger } from '../logger.ts'
import type { BackfillRecord, OccurrenceKind, OccurrenceState } from '../storage/occurrence-record.ts'
import { readNumber } from '../configuration/read-value.ts'
import { invalidValue, JobistemerError, printValue } from '../errors.ts'

/** A run of the job before the present one. */
export interface PreviousRun {
  readonly id: OccurrenceId
  /** The instant that the run worked for, as its handler got it. */
  readonly scheduledAt: Date
  /** When it ended. */
  readonly finishedAt: Date
  /** How it ended. */
  readonly state: OccurrenceState
}

/** The missed slots that a run covers. */
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
  /** Which slots the backfill runs. With this, `from`, `to`, `order` and `key`, a call of `backfill` reports the progress. */
  readonly which: BackfillRecord['which']
  /** The order of its runs. */
  readonly order: BackfillRecord['order']
}

/** Describes an occurrence. Hooks get it, and every task's context contains it. */
export interface OccurrenceContext<Input = JsonValue | undefined> {
  /** The job, in the version that the occurrence runs under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The occurrence, and how it came to be. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /**
   * The instant that the run works for: its slot. A run of a backfill has the slot that it makes up for. A trigger has
   * the requested instant. A replay has the instant of its original.
   */
  readonly scheduledAt: Date
  /** When the trigger or replay was requested. For a run of a backfill: when the run was created. `null` for a slot. */
  readonly requestedAt: Date | null
  /** When the present owner claimed the occurrence. */
  readonly startedAt: Date
  /**
   * `startedAt - scheduledAt`, in milliseconds. For a replay and a run of a backfill: the delay since its own planned
   * start, so that a replay after eight hours is not eight hours late.
   */
  readonly latenessMs: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that this one replays; otherwise `null`. */
  readonly replayOf: OccurrenceId | null
  /** The backfill of this run; otherwise `null`. */
  readonly backfill: BackfillReference | null
  /** The missed slots that this run, or the original of a replay, covers under the recovery strategy `compressed`. */
  readonly span: CoveredSpan | null
  /**
   * Grows with each owner of the occurrence. Pass it to the system that the task writes to: that system can reject a
   * writer with a smaller token than one it has seen.
   */
  readonly fencingToken: number
  /** The data of `trigger` or `replay`; for a job with a payload schema, the output of the schema. */
  readonly input: Input
  /**
   * The scheduler's logger. Each line names the job and occurrence, and in a task also the task and attempt. With
   * `keepLogs` the storage keeps the lines of a task with its attempt.
   */
  readonly logger: Logger
  /** The present time of the scheduler: the storage's clock if it has one; in tests the virtual clock. */
  now(): Date
  /** Asks the storage for the latest finished run of the job at an earlier instant. */
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
  /** Counts from 1. An attempt that was handed back before its handler was called counts too. */
  readonly attempt: number
  /** The task's own `data`, as JSON gives it back. */
  readonly data: Data
  /** Fires on timeout, fail-fast, cancel, shutdown, and when another node has taken the occurrence. */
  readonly signal: AbortSignal
  /**
   * Reports the progress of the attempt: a fraction from 0 to 1, and a message that is cut after 200 characters.
   * `occurrence(id)` returns the latest report. The node stores it within about 1 s, together with other writes, so
   * frequent calls are cheap. After the end of the attempt the call does nothing. A retry begins without progress.
   * @throws JobistemerError `INVALID_ARGUMENT` for a number that is not between 0 and 1, or a message that is not a
   * string
   */
  progress(fraction: number, message?: string): void
  /** Results of the tasks of this occurrence that have completed, by name. */
  readonly results: Readonly<Record<string, JsonValue | undefined>>
  /**
   * Resolves after this time by the scheduler's clock; with a virtual clock in tests, no real time passes. If `signal`
   * fires first, rejects with its reason.
   * @throws JobistemerError `INVALID_DURATION`
   */
  sleep(duration: DurationInput): Promise<void>
  /**
   * Ends the task in the handler's own transaction: the handler's writes and the end of the task commit or roll back
   * together, under this owner's fencing token. Call it last, then commit, then return. `result` is the result of the
   * task; the return value of the handler is ignored.
   *
   * After the handler has ended, the stored record decides. If it holds the completion, the task has completed, even if
   * the handler threw. If it does not, the attempt has failed (`TRANSACTION_NOT_COMMITTED`), and the retry policy
   * applies. After a rollback the handler may call it again in another transaction. A call that rejects makes its
   * transaction impossible to commit, even if the handler ignores the error.
   * @throws JobistemerError `INVALID_TRANSACTION`, `TRANSACTION_NOT_SUPPORTED`; `OCCURRENCE_LOST` when another node has
   * the occurrence; what `signal` has fired with (`ABORTED`, `TASK_TIMEOUT` …); `ALREADY_COMPLETED`; `ATTEMPT_OVER`
   * after the handler has ended; `RESULT_NOT_SERIALISABLE`, `RESULT_TOO_LARGE`; what the storage fails with
   */
  complete(transaction: unknown, result?: unknown): Promise<void>
  /**
   * The result of a completed task after its JSON round trip, with the type of the task.
   * @throws JobistemerError `RESULT_NOT_AVAILABLE` when it has not completed in this occurrence.
   */
  result<Result>(task: TaskReference<Result>): Jsonify<Result>
}

/**
 * The context that the handler of an isolated task gets in its thread or process. The child sends log lines and
 * progress to the node; `sleep` and `previousRun` ask the node. Lines are cut after 1,000 characters. If the child logs
 * more than 500 lines per second, it drops some.
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

/** Where the handler of an isolated task runs: in a thread of the node's process, or in a separate process. */
export type Isolation = 'thread' | 'process'

/** Memory limits of a child in megabytes, as for Node's worker threads. Default: the limits of V8. */
export interface IsolatedResourceLimits {
  /** Maximum heap of old objects. A child that needs more dies, and its attempt fails with `CHILD_DIED`. */
  readonly maxOldGenerationSizeMb?: number
  /** Maximum heap of new objects. */
  readonly maxYoungGenerationSizeMb?: number
  /** Memory for generated code; threads only. */
  readonly codeRangeSizeMb?: number
  /** The stack; threads only. */
  readonly stackSizeMb?: number
}

/** The module of an isolated task, and where it runs. */
export interface IsolationOptions {
  /**
   * The file whose default export does the work: `new URL('./render.js', import.meta.url)`, or what
   * `import.meta.resolve('./render.js')` answers. TypeScript where Node itself can run it: 22.18 and later.
   */
  readonly module: URL | string
  /** Default `thread`. A crash of native code ends a `process` alone, but a `thread` together with its node. */
  readonly isolation?: Isolation
  /**
   * Keeps children for further attempts of the same module. The node reuses a child only if its attempt ended by
   * itself, and ends it after 30 s without work. Default false: a new child for each attempt.
   */
  readonly pool?: boolean
  /** Default: what V8 chooses. */
  readonly resourceLimits?: IsolatedResourceLimits
  /** All environment variables of the child. Default: the node's. `{ ...process.env, NAME: 'value' }` adds one. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * How long the handler may take to stop after its signal has fired; then the node kills its child. Default 5 s. At
   * most 5 s after the execution timeout, after its node is isolated under `whileIsolated: 'abort'`, or after the
   * occurrence is lost, because another node may then run it.
   */
  readonly killAfter?: DurationInput
}

/**
 * One task of a job. Its handler is `run`, or the handler that nodes have registered as `handler`, or the default
 * export of `module`, which runs in a separate thread or process.
 */
export interface TaskDefinition<Data = unknown, Result = unknown, Input = JsonValue | undefined>
  extends TaskSettingsInput,
    Partial<IsolationOptions> {
  /** Unique in its job; 1 to 255 characters. */
  readonly name: string
  /**
   * Plain data for the handler; part of the definition. Values that JSON would change (a `Date`, a `Map`, `NaN`) are
   * rejected. Members that are `undefined` are left out.
   */
  readonly data?: Data
  /** Default: no retry. */
  readonly retryPolicy?: RetryPolicyInCode
  /**
   * The handler. The storage keeps its return value as JSON with the run. A value that JSON would change fails the
   * attempt.
   */
  run?(context: TaskContext<Jsonify<Data>, Input>): Result | Promise<Result>
  /**
   * Name of a handler in `createScheduler({ handlers })`. The job is data alone, and any node with that handler can run
   * it.
   */
  readonly handler?: string
}

/** A task with its handler in code. */
export interface RunnableTask<Data = unknown, Result = unknown> extends TaskDefinition<Data, Result> {
  /** The handler. The storage keeps its return value as JSON with the run. */
  run(context: TaskContext<Jsonify<Data>>): Result | Promise<Result>
}

/** The handler of tasks that name it as their `handler`. */
export type TaskHandler = (context: TaskContext<JsonValue | undefined>) => unknown

/**
 * Defines a task outside a job, so that later tasks can read its result with its type.
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

// The node and the child of an isolated task share these checks of a handler's calls.

/** Checks the arguments of `progress`. @throws JobistemerError `INVALID_ARGUMENT` */
export function checkProgress(fraction: number, message: string | undefined): void {
  readNumber(fraction, 'fraction', 0, 1)
  if (message === undefined || typeof message === 'string') return
  throw invalidValue('message', 'is not a text', message, 'Give a string or leave it out.')
}

/** The result of an earlier task. @throws JobistemerError `RESULT_NOT_AVAILABLE` */
export function resultOf<Result>(
  { name }: TaskReference<Result>,
  results: Readonly<Record<string, JsonValue | undefined>>,
): Jsonify<Result> {
  if (Object.hasOwn(results, name)) return results[name] as Jsonify<Result>
  throw new JobistemerError('RESULT_NOT_AVAILABLE', {
    message: `Task ${printValue(name)} has not completed in this occurrence.`,
    field: 'task',
    value: name,
    remedy: 'Ask only for tasks that come before this one, and that completed.',
  })
}
