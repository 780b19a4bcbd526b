import { invalidValue } from '../../errors.ts'
import { catchRejection, isThenable } from '../../rejection.ts'
import type { ExecutionReport } from '../../report.ts'
import type { AttemptRecord, ProgressRecord } from '../../storage/occurrence-record.ts'
import type { AttemptTrace } from '../../tracing/tracing.ts'
import { runUserCode } from '../runtime/own-context.ts'
import type { OccurrenceSource } from './task-context.ts'

// These plain functions report the events, log lines and hooks of a running occurrence. A reporting object would cost an
// allocation per occurrence.

export function emitStarted(source: OccurrenceSource): void {
  const { events } = source.engine
  if (!events.hears('occurrence.started')) return
  const { kind, token, startedAt, scheduledAt, dueAt, recovered } = source.occurrence
  events.emit('occurrence.started', {
    ...namesOf(source),
    kind,
    fencingToken: token,
    latenessMs: startedAt - scheduledAt,
    waitedMs: Math.max(0, startedAt - dueAt),
    recovered,
  })
}

export function emitAttemptStarted(source: OccurrenceSource, task: string, attempt: number): void {
  const { events } = source.engine
  if (events.hears('attempt.started')) events.emit('attempt.started', { ...namesOf(source), task, attempt })
}

export function emitAttemptProgressed(
  source: OccurrenceSource,
  task: string,
  attempt: number,
  { fraction, message }: ProgressRecord,
): void {
  const { events } = source.engine
  if (!events.hears('attempt.progressed')) return
  events.emit('attempt.progressed', { ...namesOf(source), task, attempt, fraction, message })
}

/**
 * Reports the end of an attempt. Logs a failure as a warning if a retry follows, otherwise as an error. `error`: the value that
 * the handler threw; `undefined` if it threw none. `retryInMs`: ms until the retry; `null` if no retry follows.
 */
export function emitAttemptEnded(
  source: OccurrenceSource,
  task: string,
  attempt: AttemptRecord,
  error: unknown,
  retryInMs: number | null,
  trace: AttemptTrace | null,
): void {
  const { events, logger } = source.engine
  trace?.ended({ state: attempt.state, error, retryInMs })
  if (attempt.state === 'failed' || attempt.state === 'timed_out') {
    const { jobName: job, occurrenceId, scheduledAt } = namesOf(source)
    const fields = { job, task, attempt: attempt.number, occurrenceId, scheduledAt, ...trace?.logFields() }
    const how = attempt.state === 'timed_out' ? 'timed out' : 'failed'
    // Loggers omit a field whose value is `undefined`.
    const err = error === undefined ? 'undefined' : error
    if (retryInMs === null) logger.error({ ...fields, err }, `task ${how}`)
    else logger.warn({ ...fields, retryInMs, err }, `attempt ${how}`)
  }
  if (!events.hears('attempt.ended')) return
  events.emit('attempt.ended', {
    ...namesOf(source),
    task,
    attempt: attempt.number,
    state: attempt.state,
    durationMs: (attempt.endedAt ?? attempt.startedAt) - attempt.startedAt,
    error,
    retryInMs,
  })
}

export function emitReleased(source: OccurrenceSource, reason: string | null): void {
  source.engine.events.emit('occurrence.released', { ...namesOf(source), reason })
}

/** Reports that this node has lost the occurrence. `isCanceled`: a forced cancel ended the occurrence. */
export function emitLost(source: OccurrenceSource, isCanceled: boolean): void {
  const { engine, occurrence } = source
  const event = { ...namesOf(source), fencingToken: occurrence.token }
  engine.events.emit('occurrence.lost', event)
  const { jobName: job, occurrenceId, scheduledAt, fencingToken } = event
  const reason = isCanceled ? 'it was canceled by force' : 'another node owns it'
  engine.logger.warn({ job, occurrenceId, scheduledAt, fencingToken }, `occurrence lost: ${reason}`)
}

/** Logs the failure of an occurrence whose attempts the node has aborted. Aborted attempts have no log line. */
export function logAborted(source: OccurrenceSource, reason: string): void {
  const { jobName: job, occurrenceId, scheduledAt } = namesOf(source)
  const why = reason === 'execution_timeout' ? 'its executionTimeout has passed' : 'its node has interrupted it'
  source.engine.logger.error({ job, occurrenceId, scheduledAt, reason }, `run failed: ${why}`)
}

/**
 * Reports the end of an occurrence. `isToldBefore`: another node canceled the occurrence by force, and has already emitted
 * `occurrence.canceled`.
 */
export function emitFinished(source: OccurrenceSource, report: ExecutionReport, isToldBefore: boolean): void {
  const event = { ...namesOf(source), report }
  source.engine.events.emit('occurrence.finished', isToldBefore ? { ...event, isToldBefore } : event)
}

/** Calls a hook of the user. An error of the hook is logged and emitted as `hook.failed`. */
export async function callHook(
  source: OccurrenceSource,
  hook: string,
  call: () => void | Promise<void>,
): Promise<void> {
  try {
    const { engine, trace } = source
    // An async function turns a thenable that the hook returns into a native promise.
    const called = async (): Promise<void> => await call()
    await runUserCode(engine, () => (trace === null ? called() : trace.within(called)))
  } catch (error) {
    hookFailed(source, hook, error)
  }
}

/** Calls a task's `retryIf`. If `retryIf` throws or returns nothing or a promise, the node reports the failure and retries the task. */
export function allowsRetry(source: OccurrenceSource, call: () => unknown): boolean {
  try {
    const answer = runUserCode(source.engine, call)
    if (answer !== undefined && !isThenable(answer)) return Boolean(answer)
    if (isThenable(answer)) catchRejection(answer, (error) => hookFailed(source, 'retryIf', error))
    const what = isThenable(answer) ? 'has returned a promise' : 'has returned nothing'
    const remedy = 'Return true or false synchronously.'
    hookFailed(source, 'retryIf', invalidValue('retryPolicy.retryIf', what, answer, remedy))
  } catch (error) {
    hookFailed(source, 'retryIf', error)
  }
  return true
}

function hookFailed(source: OccurrenceSource, hook: string, error: unknown): void {
  const { engine, job } = source
  const jobName = job.job.name
  engine.events.emit('hook.failed', { hook, error, jobName })
  engine.logger.error({ hook, job: jobName, err: error }, 'hook failed')
}

function namesOf(source: OccurrenceSource) {
  const { job, occurrence } = source
  return {
    jobId: occurrence.jobId,
    jobName: job.job.name,
    occurrenceId: occurrence.id,
    scheduledAt: new Date(occurrence.scheduledAt),
  }
}
