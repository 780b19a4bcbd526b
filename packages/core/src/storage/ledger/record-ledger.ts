import { JobistemerError } from '../../errors.ts'
import type { JobId, OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import type { LiveState, OccurrenceAddress, OccurrenceRecord, Owner } from '../occurrence-record.ts'
import type {
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobQuery,
  OccurrenceQuery,
  Page,
  StorageCapabilities,
} from '../storage.ts'
import { claimableFrom, compareOrder, isSuperseded, namingKey } from '../rules.ts'
import { countRecord, type JobCounts, type JobLedger, type LedgerEntry, type RunningCounts } from './job-ledger.ts'
import type { DueQuery, HistoryRemoval, HistoryRemover, SyncLedger } from './ledger.ts'
import { latestOf, pageOfJobs, pageOfOccurrences } from './record-queries.ts'
import { type RecordChange, type Records, versionKey } from './records.ts'
import { compareAddresses } from './step-context.ts'

/** Options of {@link RecordLedger}. */
export interface RecordLedgerOptions {
  /** The call with which a user opens such a storage, for messages: `journalStorage()`. */
  readonly opener: string
  /** The properties of the storage that tune the engine, as in `Storage`. */
  readonly capabilities: StorageCapabilities
  /** The records in memory, which all connections to the same data share. */
  readonly records: Records
  /**
   * Makes the changes of one step durable before `commit` returns. If `commit` throws, the ledger undoes the step. If
   * `commit` returns a promise, the call rejects with `STORAGE_FAILED`, because the answer of the call would precede the
   * write.
   */
  commit(changes: readonly RecordChange[]): void
  /** Called once, when this connection is closed. */
  close(): void
}

/**
 * A ledger for data that fit into memory and can be scanned: a journal, a file, a browser's storage. An adapter supplies the
 * persistence of changes.
 */
export class RecordLedger implements SyncLedger, HistoryRemover {
  readonly kind = 'sync'
  readonly keepsObjects = true
  readonly opener: string
  readonly capabilities: StorageCapabilities
  readonly history: HistoryRemover = this
  readonly close: () => void
  readonly #records: Records
  readonly #commit: (changes: readonly RecordChange[]) => unknown
  /** The changes of the step in progress, and the changes that undo them. */
  #changes: RecordChange[] = []
  #inverses: RecordChange[] = []

  constructor(options: RecordLedgerOptions) {
    this.opener = options.opener
    this.capabilities = options.capabilities
    this.close = () => options.close()
    this.#records = options.records
    this.#commit = (changes) => options.commit(changes)
  }

  transaction<T>(_now: number, step: () => T): T {
    this.#changes = []
    this.#inverses = []
    try {
      const answer = step()
      if (this.#changes.length > 0) this.#assertDone(this.#commit(this.#changes))
      return answer
    } catch (error) {
      for (const inverse of this.#inverses.reverse()) this.#records.apply(inverse)
      throw error
    }
  }

  /**
   * Checks that `commit` was synchronous. Catches the rejection of a returned promise, which would otherwise end the process.
   */
  #assertDone(committed: unknown): void {
    if (typeof committed !== 'object' || committed === null || !('then' in committed)) return
    Promise.resolve(committed).catch(() => {})
    throw new JobistemerError('STORAGE_FAILED', {
      message: `The commit of ${this.opener} answered a promise: what it writes may not be stored when the call is answered.`,
      field: 'commit',
      remedy: 'A commit must be synchronous. For a store whose answers take their time, write an AsyncLedger.',
    })
  }

  read<T>(step: () => T): T {
    return step()
  }

  job(id: JobId): JobLedger | undefined {
    return this.#records.jobs.has(id) ? this.#jobOf(id) : undefined
  }

  #jobOf(id: JobId): JobLedger {
    return new RecordJob(this.#records, id, (change) => this.#change(change))
  }

  createJob(job: JobRecord, version: JobVersionRecord): void {
    this.#jobOf(job.id).save(job, version)
  }

  #change(change: RecordChange): void {
    this.#changes.push(change)
    this.#inverses.push(this.#records.apply(change))
  }

  hasDue(query: DueQuery): boolean {
    return this.due(query, 1).length > 0
  }

  due(query: DueQuery, limit: number): readonly { readonly job: JobLedger; readonly entry: LedgerEntry }[] {
    const due = this.#pending(query).filter(({ from }) => from <= query.now)
    return due.slice(0, limit).map(({ record }) => ({ job: this.#jobOf(record.jobId), entry: { record } }))
  }

  nextDueAt(query: DueQuery): number | null {
    const instants = this.#pending(query).map(({ from }) => from)
    const next = Math.min(...instants.filter((from) => from > query.now))
    return Number.isFinite(next) ? next : null
  }

  /**
   * Yields the pending occurrences that a claim may take now or later, each with the first instant at which a claim may take
   * that occurrence.
   */
  #pending({ exceptHandlerKeys }: DueQuery): { readonly record: OccurrenceRecord; readonly from: number }[] {
    const pending = sorted(this.#records.live, ({ state }) => state === 'pending', compareOrder)
    return pending.flatMap((record) => {
      const job = this.#records.jobs.get(record.jobId)
      const isLeft = job === undefined || exceptHandlerKeys.includes(job.handlerKey)
      return isLeft ? [] : [{ record, from: claimableFrom(job, record.dueAt) }]
    })
  }

  cancelRequested({ node, incarnation }: Owner): readonly OccurrenceRecord[] {
    const isAsked = ({ state, cancelRequest, owner }: OccurrenceRecord) => {
      const isOwn = owner?.node === node && owner.incarnation === incarnation
      return state === 'running' && cancelRequest !== null && isOwn
    }
    return sorted(this.#records.live, isAsked, compareAddresses)
  }

  stranded(): readonly JobId[] {
    const jobs = [...this.#records.jobs.values()].filter(({ id, cancelsBelow }) => {
      const { pending, delayed, queued, running } = countLive(this.#records.live.values(), id)
      return queued > 0 && ((pending === delayed && running === 0) || cancelsBelow !== null)
    })
    return jobs.map(({ id }) => id)
  }

  get({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }: GetRequest): GetAnswer {
    const records = this.#records
    return {
      jobs: jobs.map((id) => records.jobs.get(id) ?? null),
      versions: versions.map((version) => records.versions.get(versionKey(version)) ?? null),
      occurrences: occurrences.map((id) => records.occurrences.get(id) ?? null),
      counts: counts.map((id) => countLive(records.live.values(), id)),
      latest: latest.length === 0 ? [] : latestOf(records.occurrences.values(), latest),
    }
  }

  listJobs(query: JobQuery): Page<JobRecord> {
    return pageOfJobs(this.#records.jobs.values(), query)
  }

  listOccurrences(query: OccurrenceQuery): Page<OccurrenceRecord> {
    const { live, failed, occurrences } = this.#records
    return pageOfOccurrences({ live, failed, job: occurrences }[query.kind].values(), query)
  }

  heartbeat(request: HeartbeatRequest): HeartbeatAnswer {
    return this.#records.nodes.heartbeat(request)
  }

  removeHistory({ jobId, occurrences, keys, floor }: HistoryRemoval): number | null {
    const job = this.#records.jobs.get(jobId)
    if (job === undefined || (job.nextAt !== null && job.nextAt <= floor)) return null
    const there = occurrences.filter(({ id }) => this.#records.occurrences.has(id))
    return this.transaction(0, () => {
      const value = { ...job, pruneFloor: Math.max(job.pruneFloor ?? floor, floor) }
      this.#change({ table: 'jobs', key: jobId, value })
      for (const { id } of there) this.#change({ table: 'occurrences', key: id, value: null })
      for (const { keyId, occurrence } of keys) {
        if (this.#records.keys.get(keyId) === occurrence.id) this.#change({ table: 'keys', key: keyId, value: null })
      }
      return there.length
    })
  }

  forget(jobId: JobId, before: number): void {
    const { jobs, versions, occurrences } = this.#records
    const job = jobs.get(jobId)
    const history = [...occurrences.values()].filter((record) => record.jobId === jobId)
    const isOver = history.length === 0 && job?.deletedAt != null && job.deletedAt < before
    const used = new Set(history.map(({ jobVersion }) => jobVersion))
    if (job !== undefined && !isOver) used.add(job.version)
    const unused = [...versions].filter(([, record]) => record.jobId === jobId && !used.has(record.version))
    this.transaction(0, () => {
      for (const [key] of unused) this.#change({ table: 'versions', key, value: null })
      if (isOver) this.#change({ table: 'jobs', key: jobId, value: null })
    })
  }
}

/** One job in a step of a {@link RecordLedger}. */
class RecordJob implements JobLedger {
  readonly #records: Records
  readonly #id: JobId
  readonly #change: (change: RecordChange) => void

  constructor(records: Records, id: JobId, change: (change: RecordChange) => void) {
    this.#records = records
    this.#id = id
    this.#change = change
  }

  get job(): JobRecord {
    return this.#records.jobs.get(this.#id) as JobRecord
  }

  get head(): JobRecord {
    return this.job
  }

  get counts(): JobCounts {
    return countLive(this.#records.live.values(), this.#id)
  }

  find({ id }: OccurrenceAddress): LedgerEntry | undefined {
    const record = this.#records.occurrences.get(id)
    return record === undefined ? undefined : { record }
  }

  findSlot(address: OccurrenceAddress): LedgerEntry | undefined {
    return this.find(address)
  }

  findByKey(keyId: OccurrenceId): LedgerEntry | undefined {
    const id = this.#records.keys.get(keyId)
    const record = id === undefined ? undefined : this.#records.occurrences.get(id)
    return record === undefined ? undefined : { record }
  }

  live(wanted: LiveState, limit: number): readonly LedgerEntry[] {
    const isWanted = ({ jobId, state }: OccurrenceRecord) => jobId === this.#id && state === wanted
    const found = sorted(this.#records.live, isWanted, wanted === 'running' ? compareAddresses : compareOrder)
    return found.slice(0, limit).map((record) => ({ record }))
  }

  superseded(wanted: 'pending' | 'queued', limit: number): readonly LedgerEntry[] {
    const { job } = this
    return this.live(wanted, Number.POSITIVE_INFINITY)
      .filter(({ record }) => isSuperseded(job, record))
      .slice(0, limit)
  }

  create(record: OccurrenceRecord): void {
    const { id } = record
    this.#change({ table: 'occurrences', key: id, value: record })
    const keyId = namingKey(record)
    if (keyId !== undefined) this.#change({ table: 'keys', key: keyId, value: id })
  }

  replace(_entry: LedgerEntry, record: OccurrenceRecord): void {
    this.#change({ table: 'occurrences', key: record.id, value: record })
  }

  advance(watermark: number, nextAt: number | null): void {
    this.save({ ...this.job, watermark: Math.max(this.job.watermark, watermark), nextAt }, null)
  }

  endCancel(): void {
    this.save({ ...this.job, cancelsBelow: null }, null)
  }

  noteStarts(starts: readonly number[]): void {
    this.save({ ...this.job, starts }, null)
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    this.#change({ table: 'jobs', key: job.id, value: job })
    if (version !== null) this.#change({ table: 'versions', key: versionKey(version), value: version })
  }
}

function sorted(
  records: ReadonlyMap<unknown, OccurrenceRecord>,
  wanted: (record: OccurrenceRecord) => boolean,
  compare: (left: OccurrenceRecord, right: OccurrenceRecord) => number,
): OccurrenceRecord[] {
  return [...records.values()].filter(wanted).sort(compare)
}

function countLive(live: Iterable<OccurrenceRecord>, job: JobId | 'all'): JobCounts {
  const counts: RunningCounts = { pending: 0, delayed: 0, queued: 0, running: 0 }
  for (const record of live) if (job === 'all' || job === record.jobId) countRecord(counts, record, 1)
  return counts
}
