import type { OccurrenceId } from '@jobistemer/core'
import {
  claimableFrom,
  countRecord,
  isFinal,
  type JobLedger,
  type JobRecord,
  type JobVersionRecord,
  type LiveState,
  type OccurrenceAddress,
  type OccurrenceRecord,
  orderAt,
  pausedUntil,
  type RunningCounts,
} from '@jobistemer/core/storage'
import { DueIndex } from './due-index.ts'
import { History } from './history.ts'
import { type Head, JobTable } from './job-table.ts'
import { LiveTables } from './live-tables.ts'
import { Names } from './names.ts'
import { keyOf, type OccurrenceKey, type OccurrenceRow, readOccurrence } from './occurrence-row.ts'
import { ReusableKeys } from './reusable-keys.ts'
import { type Lane, lanes, type NamedTables } from './schema.ts'

/** A stored occurrence, with the row number of its job and the stored form of its id. */
export interface StoredOccurrence {
  readonly record: OccurrenceRecord
  readonly job: number
  readonly key: OccurrenceKey
  /** The number of the waiting line that contains the occurrence, see `lanes`. This is no lane of a backfill. */
  readonly lane: number
}

/**
 * All tables of the storage. Each occurrence is a row of exactly one of three tables: running, waiting or history. The
 * state of the occurrence determines the table. If the state changes, {@link replace} moves the occurrence.
 */
export class Tables {
  readonly database: NamedTables
  readonly names: Names
  readonly jobs: JobTable
  readonly due: DueIndex
  readonly live: LiveTables
  readonly history: History
  readonly reusableKeys: ReusableKeys
  /**
   * Whether any job has queued occurrences. `null` until the current step asks the database, and again after the step has
   * changed an occurrence.
   */
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

  /** Clears what the previous step has cached, counted and noted. Must be called at the start of each write step. */
  startStep(): void {
    this.#anyQueued = null
    this.jobs.added = 0
    this.due.startStep()
  }

  /** Whether any job has queued occurrences. If no job has any, a step that ends a run need not read the job. */
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
    else {
      const claimAt = claimableFrom(job, record.dueAt)
      const lane = laneOf(record, claimAt, now)
      this.live.addWaiting(job.row, record, key, lane, Number.isFinite(claimAt) ? claimAt : record.dueAt)
    }
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

/**
 * Returns the number at which a step stops counting the running occurrences of a job. Thousands of occurrences may run,
 * but core only compares their number with `maxConcurrency`.
 *
 * A step ends at most one run before this comparison. So the number is `maxConcurrency + 1`.
 */
function enoughRunning({ overlap: { maxConcurrency = 1 } }: Head): number {
  return maxConcurrency + 1
}

/** An instant before all due instants. */
const earliest = -9e15

/** Implements core's `JobLedger` for one job within one step. */
export class SqliteJob implements JobLedger<StoredOccurrence> {
  readonly #tables: Tables
  readonly #now: number
  head: Head
  readonly counts: RunningCounts

  constructor(tables: Tables, head: Head, now: number) {
    this.#tables = tables
    this.head = head
    this.counts = { ...head.waiting, running: tables.live.countRunning(head.row, enoughRunning(head)) }
    this.#now = now
  }

  find(address: OccurrenceAddress, isSlot = false): StoredOccurrence | undefined {
    const found = this.#findAt(address)
    if (found !== undefined || isSlot || this.head.requestedUntil === null) return found
    return this.#tables.findById(address.id)
  }

  /**
   * Finds a record of the job; `undefined` if the record does not exist. The job's head limits the scheduled times of the
   * job's records. If `scheduledAt` lies after this limit, this method does not search the tables.
   */
  #findAt({ id, scheduledAt }: OccurrenceAddress): StoredOccurrence | undefined {
    const { row, watermark, excludedUntil, requestedUntil } = this.head
    const last = Math.max(watermark, excludedUntil ?? watermark, requestedUntil ?? watermark)
    return scheduledAt > last ? undefined : this.#tables.findAt(row, scheduledAt, keyOf(id))
  }

  findByKey(keyId: OccurrenceId): StoredOccurrence | undefined {
    const { row } = this.head
    const named = this.#tables.reusableKeys.find(row, keyId)
    return named === undefined ? undefined : this.#tables.findAt(row, ...named)
  }

  live(state: LiveState, limit: number): readonly StoredOccurrence[] {
    return this.#tables.live.liveOf(this.head.row, state, limit).map((row) => this.#tables.stored(row))
  }

  superseded(state: 'pending' | 'queued', limit: number): readonly StoredOccurrence[] {
    const { row, cancelsBelow } = this.head
    if (cancelsBelow === null) return []
    return this.#tables.live.superseded(row, state, cancelsBelow, limit).map((found) => this.#tables.stored(found))
  }

  create(record: OccurrenceRecord): void {
    const { watermark } = this.head
    this.#tables.add(this.head, record, this.#now)
    countRecord(this.counts, record, 1)
    const { excludedUntil, requestedUntil } = this.head
    const { kind, state, scheduledAt } = record
    if (kind !== 'slot') this.change({ requestedUntil: Math.max(requestedUntil ?? scheduledAt, scheduledAt) })
    else if (state === 'canceled' && scheduledAt > watermark) {
      this.change({ excludedUntil: Math.max(excludedUntil ?? scheduledAt, scheduledAt) })
    }
  }

  replace(entry: StoredOccurrence, record: OccurrenceRecord): void {
    this.#tables.replace(this.head, entry, record, this.#now)
    countRecord(this.counts, entry.record, -1)
    countRecord(this.counts, record, 1)
  }

  advance(watermark: number, nextAt: number | null): void {
    this.change({ watermark: Math.max(this.head.watermark, watermark), nextAt })
  }

  change(part: Partial<Head>): void {
    this.head = { ...this.head, ...part }
    this.#tables.jobs.writeCourse(this.head)
  }

  get job(): JobRecord {
    return this.#tables.jobs.find(this.head.id) as JobRecord
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    const { jobs, live } = this.#tables
    const until = pausedUntil(job.paused)
    const { row, watermark, excludedUntil, paused } = this.head
    const isOtherPause = until !== pausedUntil(paused)
    // A realignment moves the watermark back, but slots up to the previous watermark may have records. `excludedUntil`
    // keeps the previous watermark, so that `#findAt` still searches for these records.
    if (job.watermark < watermark) this.change({ excludedUntil: Math.max(excludedUntil ?? watermark, watermark) })
    jobs.update(row, job, version)
    if (isOtherPause && until === Number.POSITIVE_INFINITY) live.park(row)
    else if (isOtherPause) live.unpark(row, job.paused === null ? earliest : until, this.#now)
    this.head = jobs.headAt(row) as Head
    // The counting of running occurrences stops above `maxConcurrency`, and the saved job may have a greater
    // `maxConcurrency`. So `save` counts the running occurrences again.
    this.counts.running = live.countRunning(row, enoughRunning(this.head))
  }
}
