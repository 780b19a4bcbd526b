import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  claimableFrom,
  countRecord,
  isFinal,
  orderAt,
  type OccurrenceRecord,
  type Owner,
  type RunningCounts,
} from '@jobistemer/core/storage'
import { DueIndex } from './due-index.ts'
import { History } from './history.ts'
import { type Head, JobTable } from './job-table.ts'
import { LiveTables } from './live-tables.ts'
import { Names } from './names.ts'
import { keyOf, type OccurrenceKey } from './occurrence-key.ts'
import { type OccurrenceRow, readOccurrence, type RowNames } from './occurrence-row.ts'
import { ReusableKeys } from './reusable-keys.ts'
import { type Lane, lanes } from './schema.ts'
import type { NamedTables } from './table-names.ts'

/** A stored occurrence with its position in the tables. */
export interface StoredOccurrence {
  readonly record: OccurrenceRecord
  readonly job: number
  readonly key: OccurrenceKey
  /** The lane (see `lanes`) of a waiting occurrence. */
  readonly lane: number
}

/**
 * All tables of the storage. Each occurrence is a row of exactly one of three tables: running, waiting or history. Its
 * state determines the table, and {@link replace} moves it.
 */
export class Tables implements RowNames {
  readonly database: NamedTables
  readonly names: Names
  readonly jobs: JobTable
  readonly due: DueIndex
  readonly live: LiveTables
  readonly history: History
  readonly reusableKeys: ReusableKeys
  /** Whether any job has queued occurrences; `null` if the current step has not read this, or has changed it. */
  #anyQueued: boolean | null = null

  constructor(database: NamedTables) {
    this.database = database
    this.names = new Names(database)
    this.jobs = new JobTable(database, this.names)
    this.due = new DueIndex(database)
    this.live = new LiveTables(database, this.names)
    this.history = new History(database)
    this.reusableKeys = new ReusableKeys(database)
  }

  /** Must be called at the start of each write step. */
  startStep(): void {
    this.#anyQueued = null
    this.jobs.added = 0
    this.due.startStep()
  }

  /** Must be called at the end of each write step, before its commit. */
  endStep(): void {
    this.due.endStep()
  }

  /** Whether any job has queued occurrences. Usually no job has, so that a finish need not read the job. */
  get anyQueued(): boolean {
    this.#anyQueued ??= this.jobs.anyQueued()
    return this.#anyQueued
  }

  /** Clears all caches after a rollback, because cached rows may not exist. */
  forget(): void {
    this.names.forget()
    this.jobs.forget()
    this.history.forget()
  }

  jobIdOf(row: number): JobId {
    return this.jobs.jobIdOf(row)
  }

  ownerOf(row: number): Owner {
    return this.names.ownerOf(row)
  }

  read(row: OccurrenceRow, withRuns = true): OccurrenceRecord {
    return readOccurrence(row, this, withRuns)
  }

  findAt(job: number, scheduledAt: number, key: OccurrenceKey): StoredOccurrence | undefined {
    const row = this.live.find(job, scheduledAt, key) ?? this.history.find(job, scheduledAt, key)
    return row === undefined ? undefined : this.stored(row)
  }

  findById(id: OccurrenceId): StoredOccurrence | undefined {
    const key = keyOf(id)
    const row = this.live.findById(key) ?? this.history.findById(key)
    return row === undefined ? undefined : this.stored(row)
  }

  stored(row: OccurrenceRow): StoredOccurrence {
    const [lane, job, , key] = row
    return { record: this.read(row), job, key, lane }
  }

  /** Stores a new occurrence. */
  add(job: Head, record: OccurrenceRecord, now: number): void {
    this.#put(job, record, keyOf(record.id), now)
    this.reusableKeys.name(job.row, record)
    this.#count(job.row, null, record)
  }

  /** Stores the new record of a live occurrence, in the table of its new state. */
  replace(job: Head, { record: before, key, lane }: StoredOccurrence, record: OccurrenceRecord, now: number): void {
    if (before.state === 'running') this.live.removeRunning(job.row, before.scheduledAt, key)
    else this.live.removeWaiting(job.row, lane, orderAt(before), key)
    this.#put(job, record, key, now)
    this.#count(job.row, before, record)
  }

  #put(job: Head, record: OccurrenceRecord, key: OccurrenceKey, now: number): void {
    if (isFinal(record.state)) this.history.append(job.row, record, key, this.names)
    else if (record.state === 'running') this.live.addRunning(job.row, record, key)
    else this.#wait(job, record, key, now)
  }

  #wait(job: Head, record: OccurrenceRecord, key: OccurrenceKey, now: number): void {
    const claimAt = claimableFrom(job, record.dueAt)
    const lane = laneOf(record, claimAt, now)
    this.live.addWaiting(job.row, record, key, lane, Number.isFinite(claimAt) ? claimAt : record.dueAt)
  }

  #count(job: number, before: OccurrenceRecord | null, after: OccurrenceRecord): void {
    if (before === null && isFinal(after.state)) return
    const change: RunningCounts = { pending: 0, delayed: 0, queued: 0, running: 0 }
    if (before !== null) countRecord(change, before, -1)
    countRecord(change, after, 1)
    if (change.pending !== 0 || change.delayed !== 0 || change.queued !== 0) this.jobs.addToWaiting(job, change)
    this.#anyQueued = null
  }
}

function laneOf(record: OccurrenceRecord, claimAt: number, now: number): Lane {
  if (record.state === 'queued') return lanes.queued
  if (!Number.isFinite(claimAt)) return lanes.parked
  return claimAt <= now ? lanes.ready : lanes.delayed
}
