import type { JobId } from '@jobistemer/core'
import type {
  ClaimAnswer,
  CreateAnswer,
  CreateItem,
  JobRecord,
  OccurrenceAddress,
  OccurrenceRecord,
  Owner,
  SettleChange,
  Storage,
  TaskRunRecord,
} from '@jobistemer/core/storage'
import { readLive } from '../ledger/read-ledger.ts'
import {
  executionTimeoutMs,
  exclusionItem,
  missedEntry,
  recoveryItem,
  requestItem,
  runEntry,
  slotItem,
} from '../stage/create-items.ts'
import { minute, second, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { firstAttempt, succeeded, withLostAttempts, withNextAttempt } from '../stage/task-runs.ts'
import { LostAnswer } from './faulty-storage.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** The virtual time that all nodes of a soak share. */
export interface SoakClock {
  now: number
}

interface Work extends OccurrenceAddress {
  readonly token: number
  sequence: number
  runs: readonly TaskRunRecord[]
}

/** Number of missed slots from which a node runs a recovery instead of creating each slot. */
const misfireSlots = 4

/**
 * A small model of a node of the engine. The model repeats each call whose answer was lost. Only answers show the model which
 * occurrences it owns.
 */
export class SoakNode {
  readonly #storage: Storage
  readonly #jobs: readonly JobId[]
  readonly #clock: SoakClock
  readonly #random: SeededRandom
  readonly #name: string
  #life = 1
  #work = new Map<string, Work>()
  #requests = 0

  constructor(name: string, storage: Storage, jobs: readonly JobId[], clock: SoakClock, random: SeededRandom) {
    this.#name = name
    this.#storage = storage
    this.#jobs = jobs
    this.#clock = clock
    this.#random = random
  }

  get #owner(): Owner {
    return { node: this.#name, incarnation: `${this.#name}-${this.#life}` }
  }

  /** Performs one random action of a node. */
  async step(options: { readonly mayPause: boolean }): Promise<void> {
    // With a probability of 1 %, 8 minutes pass, so that all nodes miss slots.
    this.#clock.now += this.#random.chance(0.01) ? 8 * minute : this.#random.below(15) * second
    const dice = this.#random.below(100)
    if (dice < 30) await this.createDueSlots()
    else if (dice < 45) await this.claim(2)
    else if (dice < 70) await this.#workOn()
    else if (dice < 76) await this.#request()
    else if (dice < 80) await this.reap()
    else if (dice < 84) await this.#cancel()
    else if (dice < 87) await this.#exclude()
    else if (dice < 91) await this.#replace()
    else if (dice < 93) await this.#prune()
    else if (dice < 97) await (options.mayPause ? this.#pauseOrResume() : this.claim(1))
    else this.#crash()
  }

  /** Creates the due slots of every job. For a job that has missed at least 4 slots, runs a recovery. */
  async createDueSlots(): Promise<void> {
    for (const id of this.#jobs) {
      const job = await this.#head(id)
      if (job.nextAt === null || job.nextAt > this.#clock.now) continue
      const next = indexOf(job.nextAt)
      const last = indexOf(this.#clock.now)
      if (last - next >= misfireSlots) await this.#create(recovery(job, next, last))
      else await this.#create(slotItem(job, next, { runs: firstAttempt(this.#clock.now) }))
    }
  }

  async claim(limit: number): Promise<void> {
    const answer: ClaimAnswer = await this.#repeatUntilAnswered(() =>
      this.#storage.claim({
        now: this.#clock.now,
        owner: this.#owner,
        limit,
        exceptHandlerKeys: [],
        sweep: this.#random.chance(0.2),
      }),
    )
    for (const record of answer.claimed) this.#adopt(record)
    // Adopts running occurrences of this node, because the answer of their claim may have been lost.
    for (const record of await readLive(this.#storage, 'running')) {
      const { node, incarnation } = this.#owner
      if (record.owner?.node === node && record.owner.incarnation === incarnation) this.#adopt(record)
    }
  }

  /** Ends every occurrence that this node runs. */
  async finishAll(): Promise<void> {
    for (const work of [...this.#work.values()]) await this.#end(work)
  }

  /** Reaps running occurrences whose deadline has passed, of all owners. */
  async reap(): Promise<void> {
    const { items } = await this.#storage.listOccurrences({
      kind: 'live',
      state: 'running',
      deadlineBefore: this.#clock.now,
      runs: true,
      limit: 5,
      cursor: null,
    })
    for (const record of items) {
      const { id, jobId, scheduledAt, token, sequence } = record
      const runs = withLostAttempts(record.runs, this.#clock.now)
      const action = this.#random.chance(0.3) ? 'retry' : 'fail'
      const item = { id, jobId, scheduledAt, token, sequence, runs, action, reason: 'deadline' } as const
      await this.#repeatUntilAnswered(() => this.#storage.reap({ now: this.#clock.now, items: [item] }))
    }
  }

  /** Chooses a run of this node, and reports its progress or ends it. */
  async #workOn(): Promise<void> {
    const work = this.#random.pickAny([...this.#work.values()])
    if (work === undefined) return await this.claim(1)
    if (this.#random.chance(0.5)) return await this.#end(work)
    const ended = work.runs.flatMap((run) => run.attempts).every((attempt) => attempt.endedAt !== null)
    const runs = ended ? withNextAttempt(work.runs, this.#clock.now) : withLostAttempts(work.runs, this.#clock.now)
    await this.#settle(work, { kind: 'progress' }, runs)
  }

  async #end(work: Work): Promise<void> {
    const { now } = this.#clock
    if (this.#random.chance(0.15)) {
      const runs = withLostAttempts(work.runs, now)
      await this.#settle(work, { kind: 'release', dueAt: now + 2 * second, reason: 'shutdown' }, runs)
    } else {
      await this.#settle(work, { kind: 'finish', state: 'completed', reason: null }, succeeded(now, now))
    }
    this.#work.delete(work.id)
  }

  async #settle(work: Work, change: SettleChange, runs: readonly TaskRunRecord[]): Promise<void> {
    work.sequence += 1
    const { id, jobId, scheduledAt, token, sequence } = work
    const item = { id, jobId, scheduledAt, token, sequence, runs, change }
    const [answer] = await this.#repeatUntilAnswered(() =>
      this.#storage.settle({ now: this.#clock.now, items: [item] }),
    )
    if (answer?.outcome === 'ok') work.runs = runs
    else this.#work.delete(id)
  }

  async #request(): Promise<void> {
    const job = await this.#anyHead()
    const { now } = this.#clock
    this.#requests += 1
    const key = `${this.#name}-${this.#requests}`
    await this.#create(requestItem(job, key, now, this.#random.chance(0.5) ? { runs: firstAttempt(now) } : {}))
  }

  async #cancel(): Promise<void> {
    const state = this.#random.pickAny(['pending', 'queued', 'running'] as const) ?? 'pending'
    const record = this.#random.pickAny(await readLive(this.#storage, state))
    if (record === undefined) return
    const { id, jobId, scheduledAt } = record
    const mode = this.#random.chance(0.5) ? 'force' : 'request'
    const item = { id, jobId, scheduledAt, reason: 'not needed', actor: this.#name, mode } as const
    await this.#repeatUntilAnswered(() => this.#storage.cancel({ now: this.#clock.now, items: [item] }))
  }

  async #exclude(): Promise<void> {
    const job = await this.#anyHead()
    if (job.nextAt !== null) await this.#create(exclusionItem(job, indexOf(job.nextAt) + this.#random.below(3)))
  }

  async #replace(): Promise<void> {
    const job = await this.#anyHead()
    const { name, overlap, nextAt, id } = job
    const fingerprint = `${this.#name}-${job.version}`
    const { policy, maxQueued, startRate = null } = overlap
    const content = jobContent({ name, policy, maxQueued, startRate, nextAt, fingerprint })
    const waiting = this.#random.chance(0.3) ? 'cancel' : 'keep'
    const change = {
      kind: 'replace',
      id,
      content,
      expectedVersion: job.version,
      expectedWatermark: job.watermark,
      waiting,
    } as const
    await this.#repeatUntilAnswered(() => this.#storage.saveJobs({ now: this.#clock.now, changes: [change] }))
  }

  async #pauseOrResume(): Promise<void> {
    const job = await this.#anyHead()
    await this.setPaused(job.id, job.paused === null && this.#random.chance(0.5))
  }

  async setPaused(id: JobId, isPaused: boolean): Promise<void> {
    const { now } = this.#clock
    const paused = isPaused ? { at: now, reason: null, actor: this.#name } : null
    await this.#repeatUntilAnswered(() => this.#storage.saveJobs({ now, changes: [{ kind: 'pause', id, paused }] }))
  }

  async #prune(): Promise<void> {
    const { now } = this.#clock
    const request = { now, jobId: null, before: now - 3 * minute, keep: 2, limit: 10 }
    await this.#repeatUntilAnswered(() => this.#storage.prune(request))
  }

  /** Simulates a crash and restart: the new incarnation does not know the occurrences of the old one. */
  #crash(): void {
    this.#life += 1
    this.#work = new Map()
  }

  async #create(item: CreateItem): Promise<void> {
    const owner = this.#owner
    const [answer] = await this.#repeatUntilAnswered(() =>
      this.#storage.createOccurrences({ now: this.#clock.now, owner, items: [item] }),
    )
    if (answer !== undefined && isOwn(answer, owner)) this.#adopt(await this.#recordOf(item))
  }

  async #recordOf({ id }: OccurrenceAddress): Promise<OccurrenceRecord | null> {
    return (await this.#storage.get({ occurrences: [id] })).occurrences[0] ?? null
  }

  #adopt(record: OccurrenceRecord | null): void {
    if (record === null || record.state !== 'running' || record.owner?.incarnation !== this.#owner.incarnation) return
    const { id, jobId, scheduledAt, token, sequence, runs } = record
    if (this.#work.get(id)?.token !== token) this.#work.set(id, { id, jobId, scheduledAt, token, sequence, runs })
  }

  async #anyHead(): Promise<JobRecord> {
    return await this.#head(this.#random.pickAny(this.#jobs) as JobId)
  }

  async #head(id: JobId): Promise<JobRecord> {
    return (await this.#storage.get({ jobs: [id] })).jobs[0] as JobRecord
  }

  async #repeatUntilAnswered<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!(error instanceof LostAnswer)) throw error
      }
    }
  }
}

/**
 * Returns whether the node owns the running occurrence. The answer `exists` may also mean this: an earlier call of the node
 * created the occurrence, and the answer to that call was lost.
 */
function isOwn(answer: CreateAnswer, owner: Owner): boolean {
  if (answer.outcome === 'created') return answer.state === 'running'
  return answer.outcome === 'exists' && answer.state === 'running' && answer.owner?.incarnation === owner.incarnation
}

function recovery(job: JobRecord, next: number, last: number): CreateItem {
  // The recovery has one entry for each slot from `next` to `last`. If a slot was canceled ahead, the storage ignores the
  // slot's entry, and keeps the record of the canceled slot.
  const missed = Array.from({ length: last - next }, (_, index) => missedEntry(job, next + index, next + index))
  const entries = [...missed, runEntry(job, last)]
  return recoveryItem(job, last, { expectedWatermark: job.watermark, entries })
}

/** Returns the number of the last slot at or before an instant. */
function indexOf(at: number): number {
  return Math.floor((at - start) / minute)
}

/** Time in ms after which every run of a crashed node has passed its deadline. */
export const longestRunMs: number = executionTimeoutMs + minute
