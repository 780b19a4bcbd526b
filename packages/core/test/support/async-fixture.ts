import type { JobId } from '../../src/ids.ts'
import { LoadedJob } from '../../src/storage/ledger/loaded-job.ts'
import {
  type AsyncLedger,
  type DuePage,
  type DueQuery,
  type GetRequest,
  type HeartbeatRequest,
  type HistoryRemoval,
  type HistoryRemover,
  type JobQuery,
  type JobWrite,
  type LedgerStep,
  isSuperseded,
  namingKey,
  type JobCounts,
  type LiveNeeds,
  type LiveState,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type Owner,
  pageOfOccurrences,
  StepTooLarge,
  type StoredJob,
  type WakeUp,
} from '../../src/storage/index.ts'
import { countLive, RecordLedger } from './record-ledger.ts'
import { type RecordChange, Records, versionKey } from './records.ts'

export interface AsyncFixtureOptions {
  readonly unit: 'call' | 'job'
  readonly data?: AsyncData
  readonly itemsPerStep?: number
  readonly concurrency?: number
  /** Maximum number of occurrences in one commit; a step with more is too large. */
  readonly maxWrites?: number
  /** Maximum size of a page of due occurrences. */
  readonly pageSize?: number
}

/** Wrong counts, as estimates of a ledger may be. The fixture passes them to each step that does not ask for exact counts. */
const guess = { pending: 7, delayed: 3, running: 7 }

/** The data that several connections of a test share. */
export class AsyncData {
  readonly records: Records = new Records()
  /** Incremented by each commit. A step that has read an earlier revision is repeated. */
  revision = 0

  apply(changes: readonly RecordChange[]): void {
    for (const change of changes) this.records.apply(change)
    this.revision += 1
  }
}

/**
 * An asynchronous ledger in memory. Its methods `due` and `stranded` name more records than a claim can use. So each step
 * must check the named records again.
 */
export class AsyncFixture implements AsyncLedger, HistoryRemover {
  readonly kind = 'async'
  readonly opener = 'asyncFixture()'
  readonly keepsObjects = true
  readonly capabilities = {
    maxBatch: 50,
    multiProcess: false,
    durability: 'none',
    findsDueJobs: true,
    takesNext: true,
  } as const
  readonly history: HistoryRemover = this
  readonly unit: 'call' | 'job'
  readonly itemsPerStep?: number
  readonly concurrency?: number
  /** The steps that the ledger has run. */
  readonly steps: LedgerStep[] = []
  /** Number of calls of `decide` of all steps. A repeated step calls `decide` again. */
  decisions = 0
  /** The maximum number of steps that were in progress at once. */
  mostAtOnce = 0
  readonly told: WakeUp['kind'][][] = []
  /** The ledger calls `beforeCommit` between a step's decision and its commit. */
  beforeCommit: (() => Promise<void> | void) | null = null
  readonly #data: AsyncData
  readonly #reads: RecordLedger
  readonly #maxWrites: number
  readonly #pageSize: number
  #underWay = 0

  constructor({ unit, data = new AsyncData(), itemsPerStep, concurrency, maxWrites, pageSize }: AsyncFixtureOptions) {
    this.unit = unit
    this.#data = data
    if (itemsPerStep !== undefined) this.itemsPerStep = itemsPerStep
    if (concurrency !== undefined) this.concurrency = concurrency
    this.#maxWrites = maxWrites ?? Number.POSITIVE_INFINITY
    this.#pageSize = pageSize ?? Number.POSITIVE_INFINITY
    this.#reads = new RecordLedger({
      opener: this.opener,
      capabilities: this.capabilities,
      records: data.records,
      commit: () => {
        data.revision += 1
      },
      close: () => undefined,
    })
  }

  async run(step: LedgerStep): Promise<void> {
    this.steps.push(step)
    this.#underWay += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay)
    try {
      while (!(await this.#attempt(step))) await turn()
    } finally {
      this.#underWay -= 1
    }
  }

  async #attempt(step: LedgerStep): Promise<boolean> {
    const { revision, records } = this.#data
    const jobs = new Map(step.jobs.flatMap((id) => this.#stored(id)))
    const keys = new Map(
      step.keys.flatMap(({ keyId }) => {
        const id = records.keys.get(keyId)
        return id === undefined ? [] : [[keyId, id] as const]
      }),
    )
    const named = [...step.occurrences.map(({ id }) => id), ...keys.values()]
    const found = named.flatMap((id) => records.occurrences.get(id) ?? [])
    const occurrences = new Map(found.map((record) => [record.id, { record }]))
    await turn()
    const needs = step.needs({ jobs, occurrences })
    const live = new Map(needs.map((need) => [need.jobId, this.#live(need.jobId, need)]))
    const counted = needs.filter(({ counts }) => counts).map(({ jobId }) => jobId)
    for (const id of counted) jobs.set(id, { ...(jobs.get(id) as StoredJob), counts: this.#counts(id) })
    await turn()
    this.decisions += 1
    const writes = step.decide({ jobs, occurrences, live, keys })
    const size = writes.reduce((sum, write) => sum + write.occurrences.length, 0)
    if (step.isDivisible && size > this.#maxWrites) throw new StepTooLarge()
    await this.beforeCommit?.()
    if (this.#data.revision !== revision) return false
    if (writes.length > 0) this.#data.apply(writes.flatMap(changesOf))
    for (const { jobId, after } of writes) if (counted.includes(jobId)) this.#assertCounts(jobId, after.counts)
    return true
  }

  /**
   * Asserts that the counts that a step has computed equal the counts of the stored records. Other ledgers trust the step,
   * and store its counts without this check.
   */
  #assertCounts(id: JobId, told: JobCounts): void {
    const [is, said] = [this.#counts(id), told].map((counts) =>
      [counts.pending, counts.delayed, counts.queued, counts.running].join(),
    )
    if (is !== said)
      throw new TypeError(`pending, delayed, queued and running ones are ${is}, and the step has said ${said}`)
  }

  #stored(id: JobId): [JobId, StoredJob][] {
    const job = this.#data.records.jobs.get(id)
    if (job === undefined) return []
    return [[id, { head: job, counts: { ...this.#counts(id), ...guess }, job }]]
  }

  #counts(id: JobId): JobCounts {
    return countLive(this.#data.records.live.values(), id)
  }

  #live(id: JobId, { superseded, ...limits }: LiveNeeds) {
    const [[, stored] = []] = this.#stored(id)
    const read = [...this.#data.records.live.values()].filter(({ jobId }) => jobId === id)
    const entries = read.map((record) => ({ record }))
    const job = stored === undefined ? undefined : new LoadedJob(stored, entries, new Map())
    const first = (state: LiveState) => job?.live(state, limits[state]) ?? []
    const upTo = (state: 'pending' | 'queued') => {
      if (superseded === null) return first(state)
      let left = superseded.count
      const all = job?.live(state, Number.POSITIVE_INFINITY) ?? []
      const end = all.findIndex(({ record }) => isSuperseded(superseded, record) && --left === 0)
      return end < 0 ? all : all.slice(0, Math.max(end + 1, limits[state]))
    }
    return { pending: upTo('pending'), queued: upTo('queued'), running: first('running') }
  }

  /**
   * Returns all due occurrences. Some of them belong to paused jobs, or to jobs that the node cannot run. The steps must
   * leave these out.
   */
  async due({ now }: DueQuery, { limit, cursor }: { limit: number; cursor: string | null }): Promise<DuePage> {
    await turn()
    const due = [...this.#data.records.live.values()].filter(({ dueAt }) => dueAt <= now)
    const page = {
      kind: 'live',
      state: 'pending',
      runs: false,
      limit: Math.min(limit, this.#pageSize),
      cursor,
    } as const
    const { items, cursor: next } = pageOfOccurrences(due, page)
    return { occurrences: items, cursor: next }
  }

  async nextDueAt(query: DueQuery): Promise<number | null> {
    await turn()
    return this.#reads.nextDueAt(query)
  }

  async cancelRequested(owner: Owner): Promise<readonly OccurrenceRecord[]> {
    await turn()
    return this.#reads.cancelRequested(owner)
  }

  /**
   * Returns all jobs with queued occurrences. Some of them also have active occurrences, so the steps must leave these jobs
   * out.
   */
  async stranded(): Promise<readonly JobId[]> {
    await turn()
    return [...this.#data.records.jobs.keys()].filter((id) => this.#counts(id).queued > 0)
  }

  async get(request: GetRequest) {
    await turn()
    return this.#reads.get(request)
  }

  async listJobs(query: JobQuery) {
    await turn()
    return this.#reads.listJobs(query)
  }

  async listOccurrences(query: OccurrenceQuery) {
    await turn()
    return this.#reads.listOccurrences(query)
  }

  async heartbeat(request: HeartbeatRequest) {
    await turn()
    return this.#reads.heartbeat(request)
  }

  async removeHistory(removal: HistoryRemoval): Promise<number | null> {
    await turn()
    return this.#reads.removeHistory(removal)
  }

  async forget(jobId: JobId, before: number): Promise<void> {
    await turn()
    this.#reads.forget(jobId, before)
  }

  notify(kinds: ReadonlySet<WakeUp['kind']>): void {
    this.told.push([...kinds].sort())
  }

  close(): void {}
}

/** Converts the writes of a step to changes of records. */
function changesOf({ after, versions, occurrences }: JobWrite): readonly RecordChange[] {
  const { job } = after
  if (job === null) throw new TypeError('the fixture reads whole heads, and gets them back')
  return [
    { table: 'jobs', key: job.id, value: job },
    ...versions.map((value) => ({ table: 'versions', key: versionKey(value), value }) as const),
    ...occurrences.map(({ after: value }) => ({ table: 'occurrences', key: value.id, value }) as const),
    ...occurrences.flatMap(({ before, after }) => {
      const keyId = namingKey(after)
      return before !== null || keyId === undefined ? [] : [{ table: 'keys', key: keyId, value: after.id } as const]
    }),
  ]
}

/** Waits for one microtask, so that other steps can run meanwhile. */
async function turn(): Promise<void> {
  await Promise.resolve()
}
