import assert from 'node:assert/strict'
import { jobId, type JobId, type OccurrenceId } from '@jobistemer/core'
import type {
  CancelAnswer,
  CancelItem,
  ClaimAnswer,
  CreateAnswer,
  CreateItem,
  JobChange,
  JobRecord,
  LiveCounts,
  OccurrenceAddress,
  OccurrenceRecord,
  OccurrenceState,
  Owner,
  PruneAnswer,
  PruneRequest,
  ReapAnswer,
  ReapItem,
  SaveJobAnswer,
  SettleAnswer,
  SettleChange,
  Storage,
  TaskRunRecord,
} from '@jobistemer/core/storage'
import { readHistory, readLive } from '../ledger/read-ledger.ts'
import type { CaseWorld } from '../storage-world.ts'
import { type JobHandle, requestItem, type RequestOptions, type SlotOptions, slotItem } from './create-items.ts'
import { expectCreated, expectOne, expectOutcome } from './expect.ts'
import { start } from './instants.ts'
import { jobContent, type JobOptions } from './job-content.ts'
import { succeeded } from './task-runs.ts'

/** An occurrence that a node runs. */
export interface Held extends OccurrenceAddress {
  readonly token: number
}

/** A node with its own connection. Cases call the storage through a node. */
export class TestNode {
  readonly storage: Storage
  readonly owner: Owner

  constructor(storage: Storage, name: string = 'node-a', incarnation: string = `${name}-1`) {
    this.storage = storage
    this.owner = { node: name, incarnation }
  }

  static async connect(
    world: CaseWorld,
    name: string = 'node-a',
    incarnation: string = `${name}-1`,
  ): Promise<TestNode> {
    return new TestNode(await world.connect(), name, incarnation)
  }

  // ------------------------------------------------------------------------------------------------------------ jobs

  async saveJobs(changes: readonly JobChange[], now: number = start): Promise<readonly SaveJobAnswer[]> {
    return await this.storage.saveJobs({ now, changes })
  }

  async saveJob(change: JobChange, now: number = start): Promise<SaveJobAnswer> {
    return expectOne(await this.saveJobs([change], now))
  }

  /** Creates a job, and returns its head. */
  async createJob(options: JobOptions = {}, now: number = start): Promise<JobRecord> {
    const content = jobContent(options)
    const answer = await this.saveJob({ kind: 'create', id: jobId(content.name), content }, now)
    return expectOutcome(answer, 'saved').job
  }

  /**
   * Reads the head of a job, and replaces the content of the job. The storage makes the change only if the job still has the
   * version and the watermark of this head.
   */
  async replaceJob(
    id: JobId,
    options: JobOptions,
    waiting: 'keep' | 'cancel' = 'keep',
    now: number = start,
  ): Promise<SaveJobAnswer> {
    const head = await this.head(id)
    return await this.saveJob(
      {
        kind: 'replace',
        id,
        content: jobContent({ name: head.name, nextAt: head.nextAt, fingerprint: 'print-2', ...options }),
        expectedVersion: head.version,
        expectedWatermark: head.watermark,
        waiting,
      },
      now,
    )
  }

  /**
   * Reads the head of a job, and sets the job's watermark back. The storage makes the change only if the job still has the
   * version and the watermark of this head.
   */
  async setBack(
    id: JobId,
    to: { readonly setBackTo: number; readonly nextAt: number | null },
    now: number = start,
  ): Promise<SaveJobAnswer> {
    return await this.setBackFrom(await this.head(id), to, now)
  }

  /** Sets a job's watermark back. The storage does so only if the job still has the version and the watermark of `head`. */
  async setBackFrom(
    head: JobRecord,
    to: { readonly setBackTo: number; readonly nextAt: number | null },
    now: number = start,
  ): Promise<SaveJobAnswer> {
    const { name, owner, fingerprint, definition, handlerKey, overlap, timeline } = head
    return await this.saveJob(
      {
        kind: 'replace',
        id: head.id,
        content: { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt: to.nextAt },
        expectedVersion: head.version,
        expectedWatermark: head.watermark,
        waiting: 'keep',
        setBackTo: to.setBackTo,
      },
      now,
    )
  }

  /** Pauses a job up to the instant `until`. If `until` is absent, the pause lasts until a resume. */
  async pause(id: JobId, now: number = start, until?: number): Promise<SaveJobAnswer> {
    const end = until === undefined ? {} : { until }
    const paused = { at: now, ...end, reason: 'maintenance', actor: 'kim' }
    return await this.saveJob({ kind: 'pause', id, paused }, now)
  }

  async resume(id: JobId, now: number = start): Promise<SaveJobAnswer> {
    return await this.saveJob({ kind: 'pause', id, paused: null }, now)
  }

  async deleteJob(id: JobId, now: number = start): Promise<SaveJobAnswer> {
    return await this.saveJob({ kind: 'delete', id, expectedVersion: null }, now)
  }

  /** Sends one call that changes a job, and cancels at most `cancelLimit` occurrences. */
  async saveSome(change: JobChange, cancelLimit: number, now: number = start): Promise<SaveJobAnswer> {
    return expectOne(await this.storage.saveJobs({ now, cancelLimit, changes: [change] }))
  }

  /** Sends one call that deletes a job, and cancels at most `cancelLimit` occurrences. */
  async deleteSome(id: JobId, cancelLimit: number, now: number = start): Promise<SaveJobAnswer> {
    return await this.saveSome({ kind: 'delete', id, expectedVersion: null }, cancelLimit, now)
  }

  // ----------------------------------------------------------------------------------------------------- occurrences

  async createAll(items: readonly CreateItem[], now: number = start): Promise<readonly CreateAnswer[]> {
    return await this.storage.createOccurrences({ now, owner: this.owner, items })
  }

  /** Sends a create call with one item. By default, `now` is the scheduled time of the item. */
  async create(item: CreateItem, now: number = item.scheduledAt): Promise<CreateAnswer> {
    return expectOne(await this.createAll([item], now))
  }

  /** Creates a slot of the job, and starts it in the same step. */
  async startSlot(job: JobHandle, index: number, options: SlotOptions = {}): Promise<Held> {
    const item = slotItem(job, index, { run: true, ...options })
    const { token } = expectCreated(await this.create(item), 'running')
    return { id: item.id, jobId: item.jobId, scheduledAt: item.scheduledAt, token }
  }

  /** Creates a slot of the job, and asserts that its occurrence has the given state. */
  async addSlot(job: JobHandle, index: number, state: OccurrenceState, options: SlotOptions = {}): Promise<CreateItem> {
    const item = slotItem(job, index, options)
    expectCreated(await this.create(item), state)
    return item
  }

  /** Triggers the job, and asserts that the occurrence has the given state. */
  async addTrigger(
    job: JobHandle,
    key: string,
    at: number,
    state: OccurrenceState,
    options: RequestOptions = {},
  ): Promise<CreateItem> {
    const item = requestItem(job, key, at, options)
    expectCreated(await this.create(item), state)
    return item
  }

  async claim(
    now: number,
    options: { readonly limit?: number; readonly exceptHandlerKeys?: readonly string[]; readonly sweep?: boolean } = {},
  ): Promise<ClaimAnswer> {
    return await this.storage.claim({
      now,
      owner: this.owner,
      limit: options.limit ?? 100,
      exceptHandlerKeys: options.exceptHandlerKeys ?? [],
      sweep: options.sweep ?? false,
    })
  }

  /** Claims, and asserts that the answer contains exactly one occurrence. */
  async claimOne(now: number): Promise<OccurrenceRecord> {
    return expectOne((await this.claim(now)).claimed)
  }

  async settle(
    held: Held,
    change: SettleChange,
    options: {
      readonly now?: number
      readonly sequence?: number
      readonly runs?: readonly TaskRunRecord[]
      readonly owner?: Owner
    } = {},
  ): Promise<SettleAnswer> {
    const now = options.now ?? held.scheduledAt
    return expectOne(
      await this.storage.settle({
        now,
        items: [
          {
            id: held.id,
            jobId: held.jobId,
            scheduledAt: held.scheduledAt,
            token: held.token,
            ...(options.owner !== undefined && { owner: options.owner }),
            sequence: options.sequence ?? 1,
            runs: options.runs ?? succeeded(held.scheduledAt, now),
            change,
          },
        ],
      }),
    )
  }

  /** Ends an occurrence as completed, and asserts that the storage accepts the end. */
  async finish(
    held: Held,
    options: { readonly now?: number; readonly sequence?: number } = {},
  ): Promise<OccurrenceAddress | null> {
    const answer = await this.settle(held, { kind: 'finish', state: 'completed', reason: null }, options)
    return expectOutcome(answer, 'ok').woken
  }

  /** Releases an occurrence, and asserts that the storage accepts the release. */
  async release(
    held: Held,
    dueAt: number,
    options: { readonly now?: number; readonly sequence?: number } = {},
  ): Promise<void> {
    expectOutcome(await this.settle(held, { kind: 'release', dueAt, reason: 'shutdown' }, options), 'ok')
  }

  async cancel(
    address: OccurrenceAddress,
    options: Partial<Pick<CancelItem, 'mode' | 'reason' | 'actor'>> & { readonly now?: number } = {},
  ): Promise<CancelAnswer> {
    const { id, jobId: job, scheduledAt } = address
    const { mode = 'request', reason = 'not needed', actor = 'kim' } = options
    const item: CancelItem = { id, jobId: job, scheduledAt, reason, actor, mode }
    return expectOne(await this.storage.cancel({ now: options.now ?? scheduledAt, items: [item] }))
  }

  async reap(
    held: Held,
    options: Partial<Pick<ReapItem, 'sequence' | 'runs' | 'action' | 'token' | 'owner'>> & {
      readonly now?: number
    } = {},
  ): Promise<ReapAnswer> {
    const { now = held.scheduledAt, sequence = 0, runs = [], action = 'fail', token = held.token } = options
    const { id, jobId: job, scheduledAt } = held
    const owner = options.owner === undefined ? {} : { owner: options.owner }
    const item: ReapItem = { id, jobId: job, scheduledAt, token, ...owner, sequence, runs, action, reason: 'deadline' }
    return expectOne(await this.storage.reap({ now, items: [item] }))
  }

  async prune(request: Partial<PruneRequest> & Pick<PruneRequest, 'before'>): Promise<PruneAnswer> {
    return await this.storage.prune({ now: request.before, jobId: null, keep: 0, limit: 1_000, ...request })
  }

  // ----------------------------------------------------------------------------------------------------------- reads

  async find(id: OccurrenceId): Promise<OccurrenceRecord | null> {
    return expectOne((await this.storage.get({ occurrences: [id] })).occurrences)
  }

  /** Returns the record of an occurrence, and asserts that the record exists. */
  async record(address: Pick<OccurrenceAddress, 'id'>): Promise<OccurrenceRecord> {
    const record = await this.find(address.id)
    assert.ok(record !== null, `the occurrence ${address.id} is not stored`)
    return record
  }

  async stateOf(address: Pick<OccurrenceAddress, 'id'>): Promise<OccurrenceState> {
    return (await this.record(address)).state
  }

  async findHead(id: JobId): Promise<JobRecord | null> {
    return expectOne((await this.storage.get({ jobs: [id] })).jobs)
  }

  /** Returns the head of a job, and asserts that the head exists. */
  async head(id: JobId): Promise<JobRecord> {
    const head = await this.findHead(id)
    assert.ok(head !== null, `the job ${id} is not stored`)
    return head
  }

  /** Reads the storage's counts of live occurrences, of a job or of all jobs. */
  async counts(id: JobId | 'all'): Promise<LiveCounts> {
    const { counts } = await this.storage.get({ counts: [id] })
    assert.ok(Array.isArray(counts), `get({ counts }) answered ${JSON.stringify(counts)} as counts`)
    return expectOne<LiveCounts>(counts)
  }

  /** Returns all occurrences of a job, in the order of their scheduled times. */
  async history(id: JobId): Promise<readonly OccurrenceRecord[]> {
    return await readHistory(this.storage, id)
  }

  /** Returns the ids of all live occurrences in a state. */
  async liveIds(state: 'pending' | 'queued' | 'running'): Promise<readonly OccurrenceId[]> {
    return (await readLive(this.storage, state)).map((record) => record.id).sort()
  }
}
