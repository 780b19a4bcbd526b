import { randomBytes } from 'node:crypto'
import { type JobId, occurrenceId } from '@jobistemer/core'
import type { CreateRecovery, RecoveryEntry, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { minute, slotAt, start } from '@jobistemer/test-kit'

/**
 * Returns `tasks` task runs. Each has a result of the maximum size that the engine permits. Compression makes the result
 * only a little smaller.
 */
export function largeRuns(tasks: number): readonly TaskRunRecord[] {
  return Array.from({ length: tasks }, (_, index) => ({
    task: `task-${index}`,
    state: 'completed',
    attempts: [{ number: 1, state: 'succeeded', startedAt: start, endedAt: start + 1 }],
    result: randomBytes(98_000).toString('base64'),
  }))
}

/** Returns the recovery of the first `count` slots of a job. */
export function recoveryOf(job: JobId, count: number): CreateRecovery {
  const entries = Array.from({ length: count }, (_, index): RecoveryEntry => {
    const scheduledAt = slotAt(index + 1)
    return {
      kind: 'run',
      id: occurrenceId(job, scheduledAt),
      scheduledAt,
      executionTimeoutMs: 10 * minute,
      details: {},
    }
  })
  const last = slotAt(count)
  return {
    kind: 'recovery',
    id: occurrenceId(job, last),
    jobId: job,
    scheduledAt: last,
    jobVersion: 1,
    expectedWatermark: start,
    watermark: last,
    nextAt: last + minute,
    entries,
  }
}

/** Returns all occurrences of a job, in the order of their slots. */
export async function historyOf(storage: Storage, job: JobId) {
  const items = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences({
      kind: 'job',
      jobId: job,
      order: 'ascending',
      limit: 500,
      cursor,
      runs: false,
    })
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null)
  return items
}
