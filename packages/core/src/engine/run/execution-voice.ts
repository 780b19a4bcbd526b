import { JobistemerError } from '../../errors.ts'
import { catchRejection, isThenable } from '../../rejection.ts'
import type { ExecutionReport } from '../../report.ts'
import type { AttemptRecord, ProgressRecord } from '../../storage/occurrence-record.ts'
import type { AttemptTrace } from '../../tracing/tracing.ts'
import { perform } from '../loop/perform.ts'
import type { OccurrenceSource } from './task-context.ts'

/** Tells the listeners and the hooks of a running occurrence what happens to it. */
export class ExecutionVoice {
  readonly #source: OccurrenceSource

  constructor(source: OccurrenceSource) {
    this.#source = source
  }

  started(): void {
    const { events } = this.#source.engine
    if (!events.hears('occurrence.started')) return
    const { kind, token, startedAt, scheduledAt, dueAt, recovered } = this.#source.occurrence
    events.emit('occurrence.started', {
      ...this.#names(),
      kind,
      fencingToken: token,
      latenessMs: startedAt - scheduledAt,
      waitedMs: Math.max(0, startedAt - dueAt),
      recovered,
    })
  }

  attemptStarted(task: string, attempt: number): void {
    const { events } = this.#source.engine
    if (events.hears('attempt.started')) events.emit('attempt.started', { ...this.#names(), task, attempt })
  }

  attemptProgressed(task: string, attempt: number, { fraction, message }: ProgressRecord): void {
    const { events } = this.#source.engine
    if (!events.hears('attempt.progressed')) return
    events.emit('attempt.progressed', { ...this.#names(), task, attempt, fraction, message })
  }

  /** `error` is what the handler threw, if it did. */
  attemptEnded(
    task: string,
    attempt: AttemptRecord,
    error: unknown,
    retryInMs: number | null,
    trace: AttemptTrace | null,
  ): void {
    const { events } = this.#source.engine
    trace?.ended({ state: attempt.state, error, retryInMs })
    if (attempt.state === 'failed' || attempt.state === 'timed_out') {
      this.#logFailure(task, attempt, error, retryInMs, trace)
    }
    if (!events.hears('attempt.ended')) return
    events.emit('attempt.ended', {
      ...this.#names(),
      task,
      attempt: attempt.number,
      state: attempt.state,
      durationMs: durationOf(attempt),
      error,
      retryInMs,
    })
  }

  /** A failure is heard: as a warning while the task is tried again, as an error when it is final. */
  #logFailure(
    task: string,
    attempt: AttemptRecord,
    error: unknown,
    retryInMs: number | null,
    trace: AttemptTrace | null,
  ): void {
    const { logger } = this.#source.engine
    const { jobName: job, occurrenceId, scheduledAt } = this.#names()
    const fields = { job, task, attempt: attempt.number, occurrenceId, scheduledAt, ...trace?.logFields() }
    const how = attempt.state === 'timed_out' ? 'timed out' : 'failed'
    if (retryInMs === null) logger.error({ ...fields, err: error }, `task ${how}`)
    else logger.warn({ ...fields, retryInMs, err: error }, `attempt ${how}`)
  }

  released(reason: string | null): void {
    this.#source.engine.events.emit('occurrence.released', { ...this.#names(), reason })
  }

  /** `isCanceled`: nobody goes on with it. */
  lost(isCanceled: boolean): void {
    const { engine, occurrence } = this.#source
    const event = { ...this.#names(), fencingToken: occurrence.token }
    engine.events.emit('occurrence.lost', event)
    const { jobName: job, occurrenceId, scheduledAt, fencingToken } = event
    const what = isCanceled ? 'it was canceled meanwhile' : 'another node has it'
    engine.logger.warn({ job, occurrenceId, scheduledAt, fencingToken }, `occurrence lost: ${what}`)
  }

  /** `isToldBefore`: whoever ended it in this node's place has told that it is canceled. */
  finished(report: ExecutionReport, isToldBefore: boolean): void {
    const event = { ...this.#names(), report }
    this.#source.engine.events.emit('occurrence.finished', isToldBefore ? { ...event, isToldBefore } : event)
  }

  /** Calls a hook of the user's; what it throws is reported, and goes no further. */
  async callHook(hook: string, call: () => void | Promise<void>): Promise<void> {
    try {
      const { engine, trace } = this.#source
      // Called in a function of its own: what it returns is a promise of the language then.
      const called = async (): Promise<void> => await call()
      await perform(engine, () => (trace === null ? called() : trace.within(called)))
    } catch (error) {
      this.#hookFailed(hook, error)
    }
  }

  /** Calls a task's `retryIf`. If that throws or returns a promise, the failure is reported, and the task is retried. */
  allowsRetry(call: () => unknown): boolean {
    try {
      const answer = perform(this.#source.engine, call)
      if (!isThenable(answer)) return Boolean(answer)
      catchRejection(answer, (error) => this.#hookFailed('retryIf', error))
      this.#hookFailed('retryIf', promisedAnswer(answer))
    } catch (error) {
      this.#hookFailed('retryIf', error)
    }
    return true
  }

  #hookFailed(hook: string, error: unknown): void {
    const { engine, job } = this.#source
    const jobName = job.job.name
    engine.events.emit('hook.failed', { hook, error, jobName })
    engine.logger.error({ hook, job: jobName, err: error }, 'hook failed')
  }

  #names() {
    const { job, occurrence } = this.#source
    return {
      jobId: occurrence.jobId,
      jobName: job.job.name,
      occurrenceId: occurrence.id,
      scheduledAt: new Date(occurrence.scheduledAt),
    }
  }
}

function promisedAnswer(answer: unknown): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: 'retryPolicy.retryIf has returned a promise.',
    field: 'retryPolicy.retryIf',
    value: answer,
    remedy: 'Answer true or false at once.',
  })
}

function durationOf({ startedAt, endedAt }: AttemptRecord): number {
  return (endedAt ?? startedAt) - startedAt
}
