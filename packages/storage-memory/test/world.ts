import { type JobId, jobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type {
  CreateAnswer,
  CreateItem,
  CreateRecovery,
  CreateRequested,
  CreateSlot,
  JobContent,
  JobRecord,
  OccurrenceAddress,
  OccurrenceRecord,
  OverlapPolicy,
  Owner,
  SettleAnswer,
  SettleChange,
  Storage,
  TaskRunRecord,
} from '@jobistemer/core/storage'
import { memoryStorage } from '../src/index.ts'

export const start: number = Date.UTC(2026, 0, 1)
export const minute = 60_000

/** Returns the instant of slot `index` of a job that is due every minute. */
export function slotAt(index: number): number {
  return start + index * minute
}

export function jobContent(name: string, policy: OverlapPolicy = 'skip', maxQueued = 1000): JobContent {
  return {
    name,
    owner: null,
    fingerprint: 'print-1',
    definition: { note: 'first' },
    handlerKey: name,
    overlap: { policy, maxQueued },
    timeline: [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }],
    nextAt: slotAt(1),
  }
}

export function firstAttempt(at: number): readonly TaskRunRecord[] {
  return [{ task: 'work', state: 'running', attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }] }]
}

export function slotItem(job: JobId, index: number, change: Partial<CreateSlot> = {}): CreateSlot {
  return {
    kind: 'slot',
    id: occurrenceId(job, slotAt(index)),
    jobId: job,
    scheduledAt: slotAt(index),
    jobVersion: 1,
    nextAt: slotAt(index + 1),
    executionTimeoutMs: 10 * minute,
    details: {},
    runs: null,
    ...change,
  }
}

export function triggerItem(
  job: JobId,
  key: string,
  at: number,
  change: Partial<CreateRequested> = {},
): CreateRequested {
  const id: OccurrenceId = `occ_trigger-${job}-${key}`
  return {
    kind: 'trigger',
    id,
    jobId: job,
    scheduledAt: at,
    jobVersion: 1,
    dueAt: at,
    executionTimeoutMs: 10 * minute,
    details: { requestKey: key },
    runs: null,
    ...change,
  }
}

/** Returns a recovery that runs the slots `from` to `to`. */
export function recoveryItem(job: JobId, from: number, to: number, expectedWatermark: number): CreateRecovery {
  const indexes = Array.from({ length: to - from + 1 }, (_, offset) => from + offset)
  return {
    kind: 'recovery',
    id: occurrenceId(job, slotAt(to)),
    jobId: job,
    scheduledAt: slotAt(to),
    jobVersion: 1,
    expectedWatermark,
    watermark: slotAt(to),
    nextAt: slotAt(to + 1),
    entries: indexes.map((index) => ({
      kind: 'run',
      id: occurrenceId(job, slotAt(index)),
      scheduledAt: slotAt(index),
      executionTimeoutMs: 10 * minute,
      details: {},
    })),
  }
}

/** One storage connection. Each method sends one call with one item. */
export class Node {
  readonly storage: Storage
  readonly owner: Owner

  constructor(storage: Storage = memoryStorage(), node = 'node-a') {
    this.storage = storage
    this.owner = { node, incarnation: `${node}-1` }
  }

  async addJob(name: string, policy: OverlapPolicy = 'skip', maxQueued = 1000): Promise<JobId> {
    const id = jobId(name)
    const content = jobContent(name, policy, maxQueued)
    await this.storage.saveJobs({ now: start, changes: [{ kind: 'create', id, content }] })
    return id
  }

  async create(item: CreateItem, now: number = item.scheduledAt): Promise<CreateAnswer> {
    const [answer] = await this.storage.createOccurrences({ now, owner: this.owner, items: [item] })
    return answer as CreateAnswer
  }

  async claim(now: number, limit = 100, change: { sweep?: boolean; except?: readonly string[] } = {}) {
    const { sweep = false, except = [] } = change
    return this.storage.claim({ now, owner: this.owner, limit, exceptHandlerKeys: except, sweep })
  }

  async settle(of: OccurrenceAddress, token: number, change: SettleChange, sequence = 1): Promise<SettleAnswer> {
    const { id, jobId, scheduledAt } = of
    const items = [{ id, jobId, scheduledAt, token, sequence, runs: [], change }]
    const [answer] = await this.storage.settle({ now: scheduledAt + 1, items })
    return answer as SettleAnswer
  }

  async finish(of: OccurrenceAddress, token = 1): Promise<SettleAnswer> {
    return this.settle(of, token, { kind: 'finish', state: 'completed', reason: null })
  }

  async record(of: Pick<OccurrenceAddress, 'id'>): Promise<OccurrenceRecord> {
    const { occurrences } = await this.storage.get({ occurrences: [of.id] })
    const [record] = occurrences
    if (record === undefined || record === null) throw new Error(`No occurrence ${of.id}`)
    return record
  }

  async head(id: JobId): Promise<JobRecord> {
    const { jobs } = await this.storage.get({ jobs: [id] })
    const [head] = jobs
    if (head === undefined || head === null) throw new Error(`No job ${id}`)
    return head
  }

  async history(job: JobId, limit = 1000): Promise<readonly OccurrenceRecord[]> {
    const items: OccurrenceRecord[] = []
    let cursor: string | null = null
    do {
      const page = await this.storage.listOccurrences({
        kind: 'job',
        jobId: job,
        order: 'ascending',
        runs: true,
        limit,
        cursor,
      })
      items.push(...page.items)
      cursor = page.cursor
    } while (cursor !== null)
    return items
  }

  async live(state: 'pending' | 'queued' | 'running', limit = 1000): Promise<readonly OccurrenceRecord[]> {
    const items: OccurrenceRecord[] = []
    let cursor: string | null = null
    do {
      const page = await this.storage.listOccurrences({ kind: 'live', state, runs: true, limit, cursor })
      items.push(...page.items)
      cursor = page.cursor
    } while (cursor !== null)
    return items
  }
}
