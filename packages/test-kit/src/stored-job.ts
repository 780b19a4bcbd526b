import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type {
  CreateRequested,
  CreateSlot,
  JobContent,
  JobRecord,
  OverlapPolicy,
  SettleItem,
  Storage,
  TaskRunRecord,
} from '@jobistemer/core/storage'

/** 2026-01-01T00:00:00Z, the time at which the tests begin. */
export const start: number = Date.UTC(2026, 0, 1)

/** In milliseconds. */
export const minute = 60_000

/** The node that calls a storage directly. */
export const owner = { node: 'node-a', incarnation: 'node-a-1' } as const

/** The stored content of a job with one slot a minute, the first one a minute after the start. */
export function contentOf(name: string, policy: OverlapPolicy = 'skip'): JobContent {
  return {
    name,
    owner: null,
    fingerprint: 'print-1',
    definition: { name },
    handlerKey: name,
    overlap: { policy, maxQueued: 1000 },
    timeline: [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }],
    nextAt: start + minute,
  }
}

/** Stores such a job. */
export async function addJob(storage: Storage, name: string, policy: OverlapPolicy = 'skip'): Promise<JobRecord> {
  const change = { kind: 'create', id: jobId(name), content: contentOf(name, policy) } as const
  const [answer] = await storage.saveJobs({ now: start, changes: [change] })
  if (answer === undefined || answer.outcome === 'absent') throw new Error(`the job was not stored: ${answer}`)
  return answer.job
}

/** Returns the instant of slot number `index`. */
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
    runs: firstAttempt(scheduledAt),
  }
}

/** A trigger that waits for a node. */
export function triggerItem(job: JobId, key: number, at: number = slotAt(1)): CreateRequested {
  return {
    kind: 'trigger',
    // Any unique id is valid.
    id: occurrenceId(job, start - minute + key),
    jobId: job,
    scheduledAt: at,
    jobVersion: 1,
    dueAt: at,
    executionTimeoutMs: 10 * minute,
    details: { requestKey: `key-${key}` },
    runs: null,
  }
}

/** The first attempt of the single task, in progress. */
export function firstAttempt(startedAt: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'running', attempts: [{ number: 1, state: 'running', startedAt, endedAt: null }] }]
}

/** The records of a single successful attempt. */
export function succeeded(startedAt: number, endedAt: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'completed', attempts: [{ number: 1, state: 'succeeded', startedAt, endedAt }] }]
}

/** The item that ends slot number `index` of a job. */
export function finishItem(job: JobId, index: number, token = 1): SettleItem {
  const scheduledAt = slotAt(index)
  return {
    id: occurrenceId(job, scheduledAt),
    jobId: job,
    scheduledAt,
    token,
    sequence: 1,
    runs: succeeded(scheduledAt, scheduledAt + 20),
    change: { kind: 'finish', state: 'completed', reason: null },
  }
}
