import type { OccurrenceId } from '@jobistemer/core'
import type {
  JobCounts,
  JobLedger,
  JobRecord,
  JobVersionRecord,
  LiveState,
  OccurrenceAddress,
  OccurrenceRecord,
  RunningCounts,
} from '@jobistemer/core/storage'
import { countRecord, pausedUntil } from '@jobistemer/core/storage'
import type { Head } from './job-table.ts'
import { keyOf } from './occurrence-key.ts'
import type { StoredOccurrence, Tables } from './tables.ts'

/**
 * Returns the number of running occurrences of a job after which a step stops counting, because thousands may run. One
 * more than `maxConcurrency` suffices: a step ends at most one run, and core then compares the count with
 * `maxConcurrency`.
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
  #head: Head
  readonly #counts: RunningCounts

  constructor(tables: Tables, head: Head, now: number) {
    this.#tables = tables
    this.#head = head
    this.#counts = { ...head.waiting, running: tables.live.countRunning(head.row, enoughRunning(head)) }
    this.#now = now
  }

  get head(): Head {
    return this.#head
  }

  get counts(): JobCounts {
    return this.#counts
  }

  find(address: OccurrenceAddress): StoredOccurrence | undefined {
    const found = this.#findAt(address)
    if (found !== undefined || this.#head.requestedUntil === null) return found
    return this.#tables.findById(address.id)
  }

  findSlot(address: OccurrenceAddress): StoredOccurrence | undefined {
    return this.#findAt(address)
  }

  /** Finds a record of the job. Does not search if the instant is later than every record that the job may have. */
  #findAt({ id, scheduledAt }: OccurrenceAddress): StoredOccurrence | undefined {
    const { row, watermark, excludedUntil, requestedUntil } = this.#head
    const last = Math.max(watermark, excludedUntil ?? watermark, requestedUntil ?? watermark)
    return scheduledAt > last ? undefined : this.#tables.findAt(row, scheduledAt, keyOf(id))
  }

  findByKey(keyId: OccurrenceId): StoredOccurrence | undefined {
    const { row } = this.#head
    const named = this.#tables.reusableKeys.find(row, keyId)
    return named === undefined ? undefined : this.#tables.findAt(row, ...named)
  }

  live(state: LiveState, limit: number): readonly StoredOccurrence[] {
    return this.#tables.live.liveOf(this.#head.row, state, limit).map((row) => this.#tables.stored(row))
  }

  superseded(state: 'pending' | 'queued', limit: number): readonly StoredOccurrence[] {
    const { row, cancelsBelow } = this.#head
    if (cancelsBelow === null) return []
    return this.#tables.live.superseded(row, state, cancelsBelow, limit).map((found) => this.#tables.stored(found))
  }

  create(record: OccurrenceRecord): void {
    const { watermark } = this.#head
    this.#tables.add(this.#head, record, this.#now)
    countRecord(this.#counts, record, 1)
    const { excludedUntil, requestedUntil } = this.#head
    const { kind, state, scheduledAt } = record
    if (kind !== 'slot') this.#change({ requestedUntil: Math.max(requestedUntil ?? scheduledAt, scheduledAt) })
    else if (state === 'canceled' && scheduledAt > watermark) {
      this.#change({ excludedUntil: Math.max(excludedUntil ?? scheduledAt, scheduledAt) })
    }
  }

  replace(entry: StoredOccurrence, record: OccurrenceRecord): void {
    this.#tables.replace(this.#head, entry, record, this.#now)
    countRecord(this.#counts, entry.record, -1)
    countRecord(this.#counts, record, 1)
  }

  advance(watermark: number, nextAt: number | null): void {
    this.#change({ watermark: Math.max(this.#head.watermark, watermark), nextAt })
  }

  endCancel(): void {
    this.#change({ cancelsBelow: null })
  }

  noteStarts(starts: readonly number[]): void {
    this.#change({ starts })
  }

  #change(change: Partial<Head>): void {
    this.#head = { ...this.#head, ...change }
    this.#tables.jobs.writeCourse(this.#head)
  }

  get job(): JobRecord {
    return this.#tables.jobs.find(this.#head.id) as JobRecord
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    const { jobs, live } = this.#tables
    const until = pausedUntil(job.paused)
    const { row, watermark, excludedUntil, paused } = this.#head
    const isOtherPause = until !== pausedUntil(paused)
    // A realignment moves the watermark back. Slots up to the previous watermark may have records, so their instants
    // stay excluded.
    if (job.watermark < watermark) this.#change({ excludedUntil: Math.max(excludedUntil ?? watermark, watermark) })
    jobs.update(row, job, version)
    if (isOtherPause && until === Number.POSITIVE_INFINITY) live.park(row)
    else if (isOtherPause) live.unpark(row, job.paused === null ? earliest : until, this.#now)
    this.#head = jobs.headAt(row) as Head
    // The job may have more places now than when its running occurrences were counted, so `save` counts the running occurrences
    // again.
    this.#counts.running = live.countRunning(row, enoughRunning(this.#head))
  }
}
