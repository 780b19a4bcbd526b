import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type { CreateSlot, JobRecord, OverlapPolicy, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'

/** 2026-01-01T00:00:00Z: when the tests begin. */
export const start: number = Date.UTC(2026, 0, 1)

export const minute = 60_000

export const owner = { node: 'node-a', incarnation: 'node-a-1' } as const

/** Stores a job with one slot a minute, the first one a minute after the start. */
export async function addJob(storage: Storage, name: string, policy: OverlapPolicy = 'skip'): Promise<JobRecord> {
  const content = {
    name,
    owner: null,
    fingerprint: 'print-1',
    definition: { name },
    handlerKey: name,
    overlap: { policy, maxQueued: 1000 },
    timeline: [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }],
    nextAt: start + minute,
  }
  const [answer] = await storage.saveJobs({ now: start, changes: [{ kind: 'create', id: jobId(name), content }] })
  if (answer === undefined || answer.outcome === 'absent') throw new Error(`the job was not stored: ${answer}`)
  return answer.job
}

export function slotAt(index: number): number {
  return start + index * minute
}

/** The item that creates slot number `index` of a job and starts it. */
export function slotItem(job: JobId, index: number): CreateSlot {
  const scheduledAt = slotAt(index)
  return {
    kind: 'slot',
    id: occurrenceId(job, scheduledAt),
    jobId: job,
    scheduledAt,
    jobVersion: 1,
    nextAt: slotAt(index + 1),
    executionTimeoutMs: 10 * minute,
    details: {},
    runs: [
      {
        task: 'work',
        state: 'running',
        attempts: [{ number: 1, state: 'running', startedAt: scheduledAt, endedAt: null }],
      },
    ],
  }
}

/** What a successful only attempt leaves behind. */
function succeeded(startedAt: number, endedAt: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'completed', attempts: [{ number: 1, state: 'succeeded', startedAt, endedAt }] }]
}

/** The item that ends slot number `index` of a job. */
export function finishItem(job: JobId, index: number): SettleItem {
  const scheduledAt = slotAt(index)
  return {
    id: occurrenceId(job, scheduledAt),
    jobId: job,
    scheduledAt,
    token: 1,
    sequence: 1,
    runs: succeeded(scheduledAt, scheduledAt + 20),
    change: { kind: 'finish', state: 'completed', reason: null },
  }
}
