import type { OccurrenceId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import type { LiveState, OccurrenceAddress, OccurrenceRecord } from '../occurrence-record.ts'
import { countRecord, type JobLedger, type LedgerEntry, type LedgerHead, type RunningCounts } from './job-ledger.ts'
import { compareOrder, isSuperseded, namingKey } from '../rules.ts'
import type { JobWrite, StoredJob } from './ledger.ts'
import { compareAddresses } from './step-context.ts'

/** An occurrence in a step, with the changes of the step. */
interface LoadedEntry extends LedgerEntry {
  /** The occurrence as the ledger has read it; `null` for an occurrence that the step creates. */
  readonly before: LedgerEntry | null
  record: OccurrenceRecord
}

/** A job in a step of an asynchronous ledger: the stored records with the changes of the step. */
export class LoadedJob implements JobLedger<LoadedEntry> {
  head: LedgerHead
  readonly counts: RunningCounts
  readonly #before: StoredJob | null
  readonly #entries: Map<OccurrenceId, LoadedEntry> = new Map()
  readonly #keys: Map<OccurrenceId, OccurrenceId>
  #job: JobRecord | null
  readonly #versions: JobVersionRecord[] = []

  /** `read` holds the occurrences of the job that the ledger has read. `firstVersion` belongs to a job that the step creates. */
  constructor(
    stored: StoredJob,
    read: Iterable<LedgerEntry>,
    keys: ReadonlyMap<OccurrenceId, OccurrenceId>,
    firstVersion: JobVersionRecord | null = null,
  ) {
    this.#keys = new Map(keys)
    this.#before = firstVersion === null ? stored : null
    this.head = stored.head
    this.counts = { ...stored.counts }
    this.#job = stored.job
    if (firstVersion !== null) this.#versions.push(firstVersion)
    for (const before of read) this.#entries.set(before.record.id, { before, record: before.record })
  }

  static created(job: JobRecord, version: JobVersionRecord): LoadedJob {
    const counts = { pending: 0, delayed: 0, queued: 0, running: 0 }
    return new LoadedJob({ head: job, counts, job }, [], new Map(), version)
  }

  get job(): JobRecord {
    if (this.#job === null)
      throw new TypeError(`the step needs the whole head of job ${this.head.id}, but has read only a part of it`)
    return this.#job
  }

  find(address: OccurrenceAddress): LoadedEntry | undefined {
    return this.#entries.get(address.id)
  }

  findByKey(keyId: OccurrenceId): LoadedEntry | undefined {
    const id = this.#keys.get(keyId)
    return id === undefined ? undefined : this.#entries.get(id)
  }

  live(state: LiveState, limit: number): readonly LoadedEntry[] {
    return this.#first(limit, ({ state: its }) => its === state, state === 'running' ? compareAddresses : compareOrder)
  }

  superseded(state: 'pending' | 'queued', limit: number): readonly LoadedEntry[] {
    return this.#first(limit, (record) => record.state === state && isSuperseded(this.head, record), compareOrder)
  }

  #first(
    limit: number,
    wanted: (record: OccurrenceRecord) => boolean,
    compare: (left: OccurrenceRecord, right: OccurrenceRecord) => number,
  ): readonly LoadedEntry[] {
    const found = [...this.#entries.values()].filter(({ record }) => wanted(record))
    found.sort((left, right) => compare(left.record, right.record))
    return found.length > limit ? found.slice(0, limit) : found
  }

  create(record: OccurrenceRecord): void {
    this.#entries.set(record.id, { before: null, record })
    const keyId = namingKey(record)
    if (keyId !== undefined) this.#keys.set(keyId, record.id)
    countRecord(this.counts, record, 1)
  }

  replace(entry: LoadedEntry, record: OccurrenceRecord): void {
    countRecord(this.counts, entry.record, -1)
    entry.record = record
    countRecord(this.counts, record, 1)
  }

  advance(watermark: number, nextAt: number | null): void {
    this.change({ watermark: Math.max(this.head.watermark, watermark), nextAt })
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    this.#job = job
    this.head = job
    if (version !== null) this.#versions.push(version)
  }

  /** The writes of the step on this job; `null` if the step changes nothing. */
  get write(): JobWrite | null {
    const occurrences = [...this.#entries.values()]
      .filter(({ before, record }) => before?.record !== record)
      .map(({ before, record }) => ({ before, after: record }))
    if (this.head === this.#before?.head && occurrences.length === 0) return null
    const after = { head: this.head, counts: this.counts, job: this.#job }
    return { jobId: this.head.id, before: this.#before, after, versions: this.#versions, occurrences }
  }

  change(part: Partial<Pick<JobRecord, 'watermark' | 'nextAt' | 'cancelsBelow' | 'starts'>>): void {
    this.head = { ...this.head, ...part }
    if (this.#job !== null) this.#job = { ...this.#job, ...part }
  }
}
