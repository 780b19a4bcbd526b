import type { JobId, OccurrenceId } from '@jobistemer/core'
import { isFinal, type OccurrenceAddress, type OccurrenceRecord, type Owner, woken } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { History } from './history.ts'
import { JobTable } from './job-table.ts'
import { LiveTables } from './live-tables.ts'
import { Names } from './names.ts'
import { idOf, keyOf, type OccurrenceKey } from './occurrence-key.ts'
import { type OccurrenceRow, readOccurrence, type RowNames } from './occurrence-row.ts'
import { type Lane, lanes } from './schema.ts'

/** A stored occurrence with its place. */
export interface StoredOccurrence {
  readonly record: OccurrenceRecord
  readonly job: number
  readonly key: OccurrenceKey
  /** The lane of a waiting one. */
  readonly lane: number
}

/**
 * All tables together. An occurrence stands in exactly one of the three: running, waiting, history; its state says in
 * which, and {@link replace} moves it.
 */
export class Ledger implements RowNames {
  readonly database: Database.Database
  readonly names: Names
  readonly jobs: JobTable
  readonly live: LiveTables
  readonly history: History
  /** Whether anything may be queued; unknown at the start of each step. */
  #anyQueued: boolean | undefined

  constructor(database: Database.Database) {
    this.database = database
    this.names = new Names(database)
    this.jobs = new JobTable(database, this.names)
    this.live = new LiveTables(database, this.names)
    this.history = new History(database)
  }

  /** To be called at the start of each write step. */
  startStep(): void {
    this.#anyQueued = undefined
  }

  /** To be called after a rollback: what was remembered may never have been. */
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

  /** The occurrence at this address, if it is stored. */
  find(address: OccurrenceAddress): StoredOccurrence | undefined {
    const head = this.jobs.headOf(address.jobId)
    return head === undefined ? undefined : this.findOf(head.row, address.scheduledAt, keyOf(address.id))
  }

  findOf(job: number, scheduledAt: number, key: OccurrenceKey): StoredOccurrence | undefined {
    const row = this.live.find(job, scheduledAt, key) ?? this.history.find(job, scheduledAt, key)
    return row === undefined ? undefined : this.stored(row)
  }

  findById(id: OccurrenceId): OccurrenceRecord | null {
    const key = keyOf(id)
    const row = this.live.findById(key) ?? this.history.findById(key)
    return row === undefined ? null : this.read(row)
  }

  stored(row: OccurrenceRow): StoredOccurrence {
    const [lane, job, , key] = row
    return { record: this.read(row), job, key, lane }
  }

  /** Stores a new occurrence. */
  add(job: number, record: OccurrenceRecord, now: number): void {
    this.#put(job, record, keyOf(record.id), now)
  }

  #put(job: number, record: OccurrenceRecord, key: OccurrenceKey, now: number): void {
    if (isFinal(record.state)) this.history.append(job, record, key, this.names)
    else if (record.state === 'running') this.live.addRunning(job, record, key)
    else this.live.addWaiting(job, record, key, this.#laneOf(job, record, now))
  }

  #laneOf(job: number, record: OccurrenceRecord, now: number): Lane {
    if (record.state === 'queued') {
      this.#anyQueued = true
      return lanes.queued
    }
    if (this.jobs.headAt(job)?.paused) return lanes.parked
    return record.dueAt <= now ? lanes.ready : lanes.delayed
  }

  /** Stores a live occurrence as it is from now on. */
  replace({ record: before, job, key, lane }: StoredOccurrence, record: OccurrenceRecord, now: number): void {
    if (before.state === 'running') this.live.removeRunning(job, before.scheduledAt, key)
    else this.live.removeWaiting(job, lane, before.scheduledAt, key)
    this.#put(job, record, key, now)
  }

  /** Wakes the job's next queued occurrence, when no active one is left. */
  wakeNext(job: number, now: number): OccurrenceAddress | null {
    // Looked up once per step: as long as nothing is queued anywhere, which is the rule, a finish asks no further.
    this.#anyQueued ??= this.live.hasQueued()
    if (!this.#anyQueued) return null
    const row = this.live.nextQueued(job)
    if (row === undefined || this.live.hasRunning(job) || this.live.hasPending(job)) return null
    const next = this.stored(row)
    this.replace(next, woken(next.record), now)
    return addressOf(next.record)
  }

  /** Makes all queued occurrences of the job pending. */
  wakeAll(job: number, now: number): void {
    for (const row of this.live.queuedOf(job)) {
      const queued = this.stored(row)
      this.replace(queued, woken(queued.record), now)
    }
  }

  addressAt(job: number, scheduledAt: number, key: OccurrenceKey): OccurrenceAddress {
    return { id: idOf(key), jobId: this.jobIdOf(job), scheduledAt }
  }
}

export function addressOf({ id, jobId, scheduledAt }: OccurrenceAddress): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}
