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

/** The start of the tests' virtual time: 2026-01-01T00:00:00Z. */
export const start: number = Date.UTC(2026, 0, 1)

/** One minute in ms. */
export const minute = 60_000

/** The owner in tests that call a storage directly. */
export const owner = { node: 'node-a', incarnation: 'node-a-1' } as const

/** Returns the stored content of a job with one slot per minute. Its first slot is one minute after `start`. */
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

/** Stores a job with the content of {@link contentOf}. */
export async function addJob(storage: Storage, name: string, policy: OverlapPolicy = 'skip'): Promise<JobRecord> {
  const change = { kind: 'create', id: jobId(name), content: contentOf(name, policy) } as const
  const [answer] = await storage.saveJobs({ now: start, changes: [change] })
  if (answer === undefined || answer.outcome === 'absent')
    throw new Error(`the storage did not store the job: ${answer?.outcome}`)
  return answer.job
}

/** Returns the instant of slot `index`. */
export function slotAt(index: number): number {
  return start + index * minute
}

/** Returns the item that creates and starts slot `index` of a job. */
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

/** Returns the item that triggers a job. Its occurrence waits for a node. */
export function triggerItem(job: JobId, key: number, at: number = slotAt(1)): CreateRequested {
  return {
    kind: 'trigger',
    // A trigger may have any unique id.
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

/** Returns the task runs of a started occurrence: the first attempt of its single task is running. */
export function firstAttempt(startedAt: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'running', attempts: [{ number: 1, state: 'running', startedAt, endedAt: null }] }]
}

/** Returns the task runs of a single successful attempt. */
export function succeeded(startedAt: number, endedAt: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'completed', attempts: [{ number: 1, state: 'succeeded', startedAt, endedAt }] }]
}

/** Returns the item that ends slot `index` of a job. */
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
