import { setMaxListeners } from 'node:events'
import { longestShownText } from '../storage-access/tuning.ts'
import { cutText } from '../../cut-text.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { attemptId, taskId, taskRunId } from '../../ids.ts'
import type { AttemptId, OccurrenceId, TaskId, TaskRunId } from '../../ids.ts'
import {
  type BackfillReference,
  checkProgress,
  type CoveredSpan,
  type OccurrenceContext,
  type PreviousRun,
  resultOf,
  type TaskContext,
  type TaskReference,
} from '../../job/task.ts'
import { copyJson, type Jsonify, type JsonValue } from '../../json.ts'
import { boundLogger, keepingLogger, type Logger, tracedLogger } from '../../logger.ts'
import { type LogLevel, type OccurrenceState, slotOf } from '../../storage/occurrence-record.ts'
import type { AttemptTrace, RunTrace } from '../../tracing/tracing.ts'
import type { TaskPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../../storage/pages.ts'
import { sleepInHandler } from '../../sleep.ts'
import { type AbortReason, abortErrorOf } from './abort-errors.ts'
import { backfillOf, spanOf, type StartedOccurrence } from './execution-report.ts'

const statesThatRan: readonly OccurrenceState[] = ['completed', 'completed_with_errors', 'failed', 'failed_stale']

/** The running occurrence from which the context of a hook or handler gets its values. */
export interface OccurrenceSource {
  readonly engine: EngineContext
  readonly job: RegisteredJob
  readonly occurrence: StartedOccurrence
  /** The trace of the run; `null`: tracing is off. */
  readonly trace: RunTrace | null
}

/**
 * The context of a run for hooks and handlers. Getters compute their values on access, because most handlers read few of them.
 */
export class RunningOccurrenceContext implements OccurrenceContext {
  readonly #source: OccurrenceSource
  #input: JsonValue | undefined

  constructor(source: OccurrenceSource) {
    this.#source = source
  }

  get job(): OccurrenceContext['job'] {
    const { id, name } = this.#source.job.job
    return { id, name, version: this.#source.occurrence.jobVersion }
  }

  get occurrence(): OccurrenceContext['occurrence'] {
    return { id: this.#source.occurrence.id, kind: this.#source.occurrence.kind }
  }

  get scheduledAt(): Date {
    return new Date(this.#slot)
  }

  get #slot(): number {
    const { details, scheduledAt } = this.#source.occurrence
    return slotOf(details) ?? scheduledAt
  }

  get requestedAt(): Date | null {
    const { kind, createdAt } = this.#source.occurrence
    return kind === 'slot' ? null : new Date(createdAt)
  }

  get startedAt(): Date {
    return new Date(this.#source.occurrence.startedAt)
  }

  get latenessMs(): number {
    return this.#source.occurrence.startedAt - this.#source.occurrence.scheduledAt
  }

  get recovered(): boolean {
    return this.#source.occurrence.recovered
  }

  get replayOf(): OccurrenceId | null {
    return this.#source.occurrence.details.replayOf ?? null
  }

  get backfill(): BackfillReference | null {
    return backfillOf(this.#source.occurrence.details)
  }

  get span(): CoveredSpan | null {
    return spanOf(this.#source.occurrence.details)
  }

  get fencingToken(): number {
    return this.#source.occurrence.token
  }

  get input(): JsonValue | undefined {
    this.#input ??= copyJson(this.#source.occurrence.details.data)
    return this.#input
  }

  get logger(): Logger {
    return runLogger(this.#source, this.#source.trace, {})
  }

  // These getters return arrow functions, because handlers destructure the context: `({ sleep }) => …` loses `this`.

  get now(): () => Date {
    return () => new Date(this.#source.engine.now())
  }

  get previousRun(): () => Promise<PreviousRun | null> {
    return async () => {
      const { jobId } = this.#source.occurrence
      const part = { kind: 'job', jobId, to: this.#slot, states: statesThatRan, order: 'descending' } as const
      const [record] = await firstItems((cursor) =>
        this.#source.engine.storage.once((calls) => calls.listOccurrences({ ...part, runs: false, limit: 1, cursor })),
      )
      if (record === undefined) return null
      return {
        id: record.id,
        scheduledAt: new Date(slotOf(record.details) ?? record.scheduledAt),
        finishedAt: new Date(record.finishedAt as number),
        state: record.state,
      }
    }
  }
}

/** Returns a logger whose lines carry the names of the run, further fields, and the fields of a trace. */
function runLogger(
  { engine, job, occurrence }: OccurrenceSource,
  trace: Pick<RunTrace, 'logFields'> | null,
  more: object,
): Logger {
  const logger = boundLogger(engine.logger, { job: job.job.name, occurrenceId: occurrence.id, ...more })
  return trace === null ? logger : tracedLogger(logger, trace)
}

/** The methods of a task that the context of its handler calls. {@link TaskProgress} implements this interface. */
export interface AttemptSource {
  readonly plan: TaskPlan
  /** Called when the handler of attempt number `attempt` reports its progress. */
  progress(attempt: number, fraction: number, message: string | null): void
  /** Called when the handler of attempt number `attempt` logs a line. */
  log(attempt: number, level: LogLevel, fields: unknown, message: unknown): void
  /** Completes the task in a transaction that the handler of this attempt has begun. */
  complete(attempt: number, transaction: unknown, result: unknown): Promise<void>
}

/** The execution from which the contexts of its handlers get their values. */
export interface TaskContextSource extends OccurrenceSource {
  results(): Readonly<Record<string, JsonValue | undefined>>
}

export class RunningTaskContext extends RunningOccurrenceContext implements TaskContext {
  readonly #source: TaskContextSource
  readonly #task: AttemptSource
  readonly #trace: AttemptTrace | null
  readonly attempt: number
  #data: unknown
  /**
   * The source of the attempt's signal, created on first use. Each attempt has a separate source, so that an abandoned
   * handler never sees the signal of the next attempt.
   */
  #controller: AbortController | undefined = undefined
  #abortReason: AbortReason | undefined = undefined

  constructor(source: TaskContextSource, task: AttemptSource, attempt: number, trace: AttemptTrace | null) {
    super(source)
    this.#source = source
    this.#task = task
    this.#trace = trace
    this.attempt = attempt
  }

  /** Aborts the signal of the attempt. The method is static, so that handlers cannot call it on their context. */
  static tellToStop(context: RunningTaskContext, reason: AbortReason): void {
    context.#abortReason = reason
    context.#controller?.abort(abortErrorOf(context.#task.plan, reason))
  }

  get task(): { readonly id: TaskId; readonly name: string } {
    return { id: taskId(this.job.id, this.#task.plan.name), name: this.#task.plan.name }
  }

  override get logger(): Logger {
    const { name, settings } = this.#task.plan
    const logger = runLogger(this.#source, this.#trace ?? this.#source.trace, { task: name, attempt: this.attempt })
    if (settings.keepLogs === null) return logger
    return keepingLogger(logger, (level, fields, message) => this.#task.log(this.attempt, level, fields, message))
  }

  get progress(): (fraction: number, message?: string) => void {
    return (fraction, message) => {
      checkProgress(fraction, message)
      this.#task.progress(this.attempt, fraction, message === undefined ? null : cutText(message, longestShownText))
    }
  }

  get complete(): (transaction: unknown, result?: unknown) => Promise<void> {
    return (transaction, result) => this.#task.complete(this.attempt, transaction, result)
  }

  get taskRunId(): TaskRunId {
    return taskRunId(this.occurrence.id, this.task.id)
  }

  get attemptId(): AttemptId {
    return attemptId(this.taskRunId, this.attempt)
  }

  get data(): unknown {
    this.#data ??= copyJson(this.#task.plan.data)
    return this.#data
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      // A handler may listen to its signal as often as it wants. From 11 listeners on, Node.js would warn of a leak.
      setMaxListeners(0, this.#controller.signal)
      if (this.#abortReason !== undefined) this.#controller.abort(abortErrorOf(this.#task.plan, this.#abortReason))
    }
    return this.#controller.signal
  }

  get sleep(): (duration: DurationInput) => Promise<void> {
    // The function is async, so that an invalid duration rejects the promise.
    return async (duration) =>
      sleepInHandler(this.#source.engine.clock, toDurationMs(duration, 'duration'), this.signal)
  }

  get results(): Readonly<Record<string, JsonValue | undefined>> {
    return copyJson(this.#source.results())
  }

  get result(): <Result>(task: TaskReference<Result>) => Jsonify<Result> {
    return (task) => copyJson(resultOf(task, this.#source.results()))
  }
}
