import { type JobId, jobId, occurrenceId } from '../../src/ids.ts'
import type {
  CreateAnswer,
  CreateSlot,
  JobContent,
  OccurrenceAddress,
  OccurrenceRecord,
  OverlapPolicy,
  Owner,
  SettleItem,
  Storage,
  TaskRunRecord,
} from '../../src/storage/index.ts'

export const owner: Owner = { node: 'node-a', incarnation: 'node-a-1' }

export function content(name: string, policy: OverlapPolicy): JobContent {
  return {
    name,
    owner: null,
    fingerprint: `${name}-1`,
    definition: {},
    handlerKey: name,
    overlap: { policy, maxQueued: 100 },
    timeline: [],
    nextAt: 100,
  }
}

/** Creates jobs with these names. The slots of each job are at 100, 200, 300 … */
export async function createJobs(storage: Storage, names: readonly string[], policy: OverlapPolicy): Promise<JobId[]> {
  const changes = names.map((name) => ({ kind: 'create', id: jobId(name), content: content(name, policy) }) as const)
  await storage.saveJobs({ now: 0, changes })
  return changes.map(({ id }) => id)
}

export function addressOf(job: JobId, scheduledAt: number): OccurrenceAddress {
  return { id: occurrenceId(job, scheduledAt), jobId: job, scheduledAt }
}

/** Makes an item that creates a slot. With `runs`, the slot starts if the rules allow it. */
export function slot(job: JobId, scheduledAt: number, runs: readonly TaskRunRecord[] | null = null): CreateSlot {
  const nextAt = scheduledAt + 100
  const details = {}
  return {
    kind: 'slot',
    ...addressOf(job, scheduledAt),
    jobVersion: 1,
    nextAt,
    executionTimeoutMs: 1000,
    details,
    runs,
  }
}

export function finish(job: JobId, scheduledAt: number, token = 1): SettleItem {
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  return { ...addressOf(job, scheduledAt), token, sequence: 1, runs: [], change }
}

/** Returns the state of each created occurrence. For an answer without a created occurrence, returns the outcome. */
export function statesOf(answers: readonly CreateAnswer[]): readonly string[] {
  return answers.map((answer) => (answer.outcome === 'created' ? answer.state : answer.outcome))
}

/** Makes the record of a pending occurrence of the job. */
export function record(job: JobId, scheduledAt: number, changes: Partial<OccurrenceRecord> = {}): OccurrenceRecord {
  return {
    ...addressOf(job, scheduledAt),
    kind: 'slot',
    state: 'pending',
    token: 0,
    sequence: 0,
    owner: null,
    jobVersion: 1,
    dueAt: scheduledAt,
    createdAt: scheduledAt,
    startedAt: null,
    finishedAt: null,
    executionTimeoutMs: 1000,
    deadlineAt: null,
    reason: null,
    recovered: false,
    rescues: 0,
    cancelRequest: null,
    details: {},
    runs: [],
    ...changes,
  }
}
