import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type { CreateRequested, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'

const owner = { node: 'worker-1', incarnation: 'worker-1-of-old' }
const hour = 3_600_000
const tookMs = 20

interface Filled {
  /** The name of a stored job. */
  readonly job: string
  readonly tasks: readonly string[]
  readonly runs: number
  /** The instant of the newest run in epoch milliseconds. Runs are one minute apart. */
  readonly last: number
  /** `true`: every run fails. Default `false`: one run in seven fails. */
  readonly allFail?: boolean
}

/**
 * Creates a history of a job by direct storage calls, because a node would take longer. One run in seven fails; with `allFail`,
 * every run fails.
 */
export async function fillHistory(
  storage: Storage,
  { job, tasks, runs, last, allFail = false }: Filled,
): Promise<void> {
  const id = jobId(job)
  const { maxBatch } = storage.capabilities
  const size = Math.max(1, Math.min(maxBatch, Math.floor(5000 / tasks.length)))
  for (let start = 0; start < runs; start += size) {
    const indexes = Array.from({ length: Math.min(size, runs - start) }, (_, index) => start + index)
    const items = indexes.map((index) => begun(id, tasks, last - (runs - 1 - index) * 60_000))
    const now = (items.at(-1) as CreateRequested).scheduledAt
    await storage.createOccurrences({ now, owner, items })
    await storage.settle({
      now: now + tookMs,
      items: items.map((item, index) => ended(item, allFail || (start + index) % 7 === 3)),
    })
  }
}

function begun(job: JobId, tasks: readonly string[], at: number): CreateRequested {
  const runs: readonly TaskRunRecord[] = tasks.map((task) => ({
    task,
    state: 'running',
    attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }],
  }))
  const times = { scheduledAt: at, dueAt: at, executionTimeoutMs: hour }
  return { kind: 'trigger', id: occurrenceId(job, at), jobId: job, jobVersion: 1, ...times, details: {}, runs }
}

function ended({ id, jobId: job, scheduledAt, runs }: CreateRequested, hasFailed: boolean): SettleItem {
  const attempt = { number: 1, startedAt: scheduledAt, endedAt: scheduledAt + tookMs }
  const error = { name: 'Error', message: 'the disk is full' }
  const results = (runs ?? []).map(({ task }, index): TaskRunRecord => {
    return hasFailed && index === 0
      ? { task, state: 'failed', attempts: [{ ...attempt, state: 'failed', error }] }
      : { task, state: 'completed', attempts: [{ ...attempt, state: 'succeeded' }] }
  })
  const change = { kind: 'finish', state: hasFailed ? 'failed' : 'completed', reason: null } as const
  return { id, jobId: job, scheduledAt, token: 1, sequence: 1, runs: results, change }
}
