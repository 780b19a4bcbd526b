import { cutText } from '../../cut-text.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import {
  type AttemptId,
  attemptId,
  type OccurrenceId,
  type TaskId,
  type TaskRunId,
  taskId,
  taskRunId,
} from '../../ids.ts'
import { checkProgress, resultOf } from '../../job/context-rules.ts'
import type {
  BackfillReference,
  CoveredSpan,
  OccurrenceContext,
  PreviousRun,
  TaskContext,
  TaskReference,
} from '../../job/task.ts'
import type { Jsonify, JsonValue } from '../../json.ts'
import { boundLogger, keepingLogger, type Logger, tracedLogger } from '../../logger.ts'
import { type LogLevel, type OccurrenceState, slotOf } from '../../storage/occurrence-record.ts'
import type { AttemptTrace, RunTrace } from '../../tracing/tracing.ts'
import type { TaskPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../storage-access/pages.ts'
import { type AbortReason, abortErrorOf } from './abort-errors.ts'
import { backfillOf } from './execution-report.ts'
import type { StartedOccurrence } from './started-occurrence.ts'

const longestProgressMessage = 200

const statesThatRan: readonly OccurrenceState[] = ['completed', 'completed_with_errors', 'failed', 'failed_stale']

/** The occurrence that a context is of. */
export interface OccurrenceSource {
  readonly engine: EngineContext
  readonly job: RegisteredJob
  readonly occurrence: StartedOccurrence
  /** `null`: nothing follows it. */
  readonly trace: RunTrace | null
}

/** What a handler gets. Most handlers look at little of it, so everything that costs anything is made when asked for. */
export class RunningOccurrenceContext implements OccurrenceContext {
  readonly #source: OccurrenceSource

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
    const span = this.#source.occurrence.details.span
    return span === undefined ? null : { from: new Date(span.from), to: new Date(span.to), count: span.count }
  }

  get fencingToken(): number {
    return this.#source.occurrence.token
  }

  get input(): JsonValue | undefined {
    return this.#source.occurrence.details.data
  }

  get logger(): Logger {
    const logger = boundLogger(this.#source.engine.logger, this.logFields())
    const trace = this.logTrace()
    return trace === null ? logger : tracedLogger(logger, trace)
  }

  /** What each line of this run's own says of its trace. */
  protected logTrace(): Pick<RunTrace, 'logFields'> | null {
    return this.#source.trace
  }

  /** What each line of this run's own says of it. */
  protected logFields(): object {
    return { job: this.#source.job.job.name, occurrenceId: this.#source.occurrence.id }
  }

  // Handlers take apart what they are given: `({ sleep }) => …` loses the object that a method belongs to.

  get now(): () => Date {
    return () => new Date(this.#source.engine.now())
  }

  get previousRun(): () => Promise<PreviousRun | null> {
    return () => this.#previousRun()
  }

  async #previousRun(): Promise<PreviousRun | null> {
    const { jobId } = this.#source.occurrence
    const query = {
      kind: 'job',
      jobId,
      to: this.#slot,
      states: statesThatRan,
      order: 'descending',
      runs: false,
      limit: 1,
    } as const
    const [record] = await firstItems((cursor) =>
      this.#source.engine.storage.once((storage) => storage.listOccurrences({ ...query, cursor })),
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

/** What a task's context asks of its attempt. */
export interface AttemptSource {
  readonly plan: TaskPlan
  /** The handler of the attempt with this number says how far it has come, or logs something that is to be kept. */
  progress(attempt: number, fraction: number, message: string | null): void
  log(attempt: number, level: LogLevel, fields: unknown, message: unknown): void
  /** The handler of the attempt with this number completes the task in a transaction of its own. */
  complete(attempt: number, transaction: unknown, result: unknown): Promise<void>
}

/** What a task's context asks of its execution. */
export interface TaskContextSource extends OccurrenceSource {
  results(): Readonly<Record<string, JsonValue | undefined>>
}

export class RunningTaskContext extends RunningOccurrenceContext implements TaskContext {
  readonly #source: TaskContextSource
  readonly #task: AttemptSource
  readonly #trace: AttemptTrace | null
  readonly attempt: number
  /** Made on first use. It belongs to this attempt: a handler that was given up never sees the signal of the next one. */
  #controller: AbortController | undefined = undefined
  #abortReason: AbortReason | undefined = undefined

  constructor(source: TaskContextSource, task: AttemptSource, attempt: number, trace: AttemptTrace | null) {
    super(source)
    this.#source = source
    this.#task = task
    this.#trace = trace
    this.attempt = attempt
  }

  /** The signal of its attempt fires. No method, so that handlers do not find it on what they are given. */
  static tellToStop(context: RunningTaskContext, reason: AbortReason): void {
    context.#abortReason = reason
    context.#controller?.abort(abortErrorOf(context.#task.plan, reason))
  }

  get task(): { readonly id: TaskId; readonly name: string } {
    return { id: taskId(this.job.id, this.#task.plan.name), name: this.#task.plan.name }
  }

  protected override logFields(): object {
    return { ...super.logFields(), task: this.#task.plan.name, attempt: this.attempt }
  }

  protected override logTrace(): Pick<RunTrace, 'logFields'> | null {
    return this.#trace ?? super.logTrace()
  }

  override get logger(): Logger {
    const logger = super.logger
    if (this.#task.plan.settings.keepLogs === null) return logger
    return keepingLogger(logger, (level, fields, message) => this.#task.log(this.attempt, level, fields, message))
  }

  get progress(): (fraction: number, message?: string) => void {
    return (fraction, message) => this.#progress(fraction, message)
  }

  #progress(fraction: number, message: string | undefined): void {
    checkProgress(fraction, message)
    this.#task.progress(this.attempt, fraction, message === undefined ? null : cutText(message, longestProgressMessage))
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
    return this.#task.plan.data
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(abortErrorOf(this.#task.plan, this.#abortReason))
    }
    return this.#controller.signal
  }

  get sleep(): (duration: DurationInput) => Promise<void> {
    return (duration) => this.#sleep(duration)
  }

  async #sleep(duration: DurationInput): Promise<void> {
    await this.#source.engine.sleeps.sleep(toDurationMs(duration, 'duration'), this.signal)
  }

  get results(): Readonly<Record<string, JsonValue | undefined>> {
    return this.#source.results()
  }

  get result(): <Result>(task: TaskReference<Result>) => Jsonify<Result> {
    return (task) => resultOf(task, this.#source.results())
  }
}
