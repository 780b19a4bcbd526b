import { Buffer } from 'node:buffer'
import type { JsonValue, ListedOccurrence, TaskReport } from '@jobistemer/core'
import type { ErrorRecord } from '@jobistemer/core/storage'
import { runLineOf } from '../lines.ts'
import { Problem } from '../problem.ts'
import type { Hidden } from '../redaction.ts'
import type { Read } from '../route.ts'
import { shownOf } from '../shown.ts'
import type { RunView, TaskLine, TaskView } from '../wire.ts'
import { rightsOf } from './one-job.ts'

const run: Read = {
  method: 'GET',
  path: '/api/run',
  action: 'view',
  about: 'run',
  takes: [],
  async answer(call): Promise<RunView> {
    const found = call.run
    const [hidden, rights] = await Promise.all([call.redaction.of(found.job), rightsOf(call, found.job)])
    const { cancelRequest, span, backfill } = found
    return {
      ...runLineOf(found, hidden),
      jobVersion: found.jobVersion,
      fencingToken: found.fencingToken,
      replayOf: found.replayOf,
      backfill: backfill === null ? null : { key: backfill.key, slot: backfill.slot.toISOString() },
      priority: found.priority,
      requestKey: found.requestKey,
      requestReason: found.requestReason,
      cancelRequest: cancelRequest === null ? null : { ...cancelRequest, at: cancelRequest.at.toISOString() },
      input: shownOf(found.input, hidden.has('payloads')),
      span: span === null ? null : { from: span.from.toISOString(), to: span.to.toISOString(), count: span.count },
      tasks: found.tasks.map((task) => taskLineOf(task, hidden)),
      rights,
      hidden: [...hidden],
    }
  },
}

function taskLineOf(task: TaskReport, hidden: Hidden): TaskLine {
  const { name, state, reason, durationMs, attemptCount, attempts, progress } = task
  return {
    name,
    state,
    reason,
    durationMs,
    attemptCount,
    attempts: attempts.map(({ number, state: of, startedAt, endedAt }) => ({
      number,
      state: of,
      startedAt: startedAt.toISOString(),
      endedAt: endedAt?.toISOString() ?? null,
    })),
    progress: progressOf(progress, hidden),
  }
}

function progressOf(progress: TaskReport['progress'], hidden: Hidden): TaskLine['progress'] {
  if (progress === null) return null
  return { fraction: progress.fraction, message: hidden.has('logs') ? null : progress.message }
}

const task: Read = {
  method: 'GET',
  path: '/api/task',
  action: 'view',
  about: 'run',
  takes: ['task'],
  async answer({ run: found, input, redaction }): Promise<TaskView> {
    const report = taskOf(found, input.needed('task'))
    const hidden = await redaction.of(found.job)
    const { name, state, reason, durationMs, attemptCount, attempts, result } = report
    return {
      name,
      state,
      reason,
      durationMs,
      attemptCount,
      result: shownOf(result, hidden.has('results')),
      attempts: attempts.map((attempt) => ({
        number: attempt.number,
        state: attempt.state,
        reason: attempt.reason,
        startedAt: attempt.startedAt.toISOString(),
        endedAt: attempt.endedAt?.toISOString() ?? null,
        durationMs: attempt.durationMs,
        error: attempt.error === null ? null : errorOf(attempt.error, hidden),
        logs: hidden.has('logs') ? [] : attempt.logs.map((line) => ({ ...line, at: line.at.toISOString() })),
        droppedLogs: attempt.droppedLogs,
        progress: progressOf(attempt.progress, hidden),
      })),
    }
  },
}

function taskOf(found: ListedOccurrence, name: string): TaskReport {
  const report = found.tasks.find((one) => one.name === name)
  if (report === undefined)
    throw new Problem(404, 'TASK_NOT_FOUND', 'No task of this name has started in this run.', 'task')
  return report
}

function errorOf(error: ErrorRecord, hidden: Hidden): ErrorRecord {
  if (!hidden.has('errors')) return error
  const { name, code } = error
  return { name, message: '', ...(code !== undefined && { code }) }
}

const value: Read = {
  method: 'GET',
  path: '/api/value',
  action: 'view',
  about: 'run',
  takes: ['task'],
  async answer({ run: found, input, redaction }): Promise<Response> {
    const name = input.text('task')
    const hidden = await redaction.of(found.job)
    if (hidden.has(name === undefined ? 'payloads' : 'results')) {
      throw new Problem(403, 'HIDDEN', 'This value is hidden from you.')
    }
    const wanted: JsonValue | undefined = name === undefined ? found.input : taskOf(found, name).result
    if (wanted === undefined) throw new Problem(404, 'NO_VALUE', 'There is no such value.')
    const body = Buffer.from(JSON.stringify(wanted, null, 2))
    return new Response(body, {
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'content-disposition': `attachment; filename="${name === undefined ? 'data' : 'result'}.json"`,
      },
    })
  },
}

/** Routes that read one run. */
export const oneRun: readonly Read[] = [run, task, value]
