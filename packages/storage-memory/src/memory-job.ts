import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  JobCounts,
  JobLedger,
  JobRecord,
  JobVersionRecord,
  LiveState,
  OccurrenceAddress,
  OccurrenceRecord,
} from '@jobistemer/core/storage'
import { isSuperseded } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import type { JobOccurrences } from './job-occurrences.ts'
import { compareText, type OccurrenceEntry } from './occurrence-entry.ts'

/** A version of a job, with the number of stored occurrences that refer to it. */
export interface VersionEntry {
  readonly record: JobVersionRecord
  references: number
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

const noCounts: JobCounts = Object.freeze({ pending: 0, delayed: 0, queued: 0, running: 0 })

/** A job: its head, versions and occurrences. */
export class MemoryJob implements JobLedger<OccurrenceEntry> {
  readonly id: JobId
  /**
   * Only {@link advance} changes the head in place, because `advance` runs for every created slot. Other changes
   * replace the head.
   */
  head: Mutable<JobRecord>
  /** The job's instant in `DueJobs`; `null` if the job is not in this list. */
  dueAt: number | null = null
  /** The job's versions in ascending order; the last version is in force. */
  versions: readonly VersionEntry[] = []
  /** The job's occurrences; `null` until the first one, so that an idle job allocates no lists. */
  occurrences: JobOccurrences | null = null
  readonly #database: Database

  constructor(database: Database, head: JobRecord) {
    this.#database = database
    this.id = head.id
    this.head = head
  }

  get job(): JobRecord {
    return this.head
  }

  get counts(): JobCounts {
    return this.occurrences ?? noCounts
  }

  find({ id }: OccurrenceAddress): OccurrenceEntry | undefined {
    return this.#database.occurrences.get(id)
  }

  findSlot({ id }: OccurrenceAddress): OccurrenceEntry | undefined {
    return this.#database.occurrences.get(id)
  }

  findByKey(keyId: OccurrenceId): OccurrenceEntry | undefined {
    const id = this.#database.keys.get(keyId)
    return id === undefined ? undefined : this.#database.occurrences.get(id)
  }

  live(state: LiveState, limit: number): readonly OccurrenceEntry[] {
    return this.occurrences?.live[state].firstOnes(limit) ?? []
  }

  superseded(state: 'pending' | 'queued', limit: number): readonly OccurrenceEntry[] {
    const found: OccurrenceEntry[] = []
    for (const entry of this.occurrences?.live[state].ascending() ?? []) {
      if (found.length >= limit) break
      if (isSuperseded(this.head, entry.record)) found.push(entry)
    }
    return found
  }

  create(record: OccurrenceRecord): void {
    this.#database.addOccurrence(this, record)
  }

  replace(entry: OccurrenceEntry, record: OccurrenceRecord): void {
    this.#database.replace(entry, record)
  }

  advance(watermark: number, nextAt: number | null): void {
    const { head } = this
    if (watermark > head.watermark) head.watermark = watermark
    head.nextAt = nextAt
    this.#database.dueJobs.changed(this)
  }

  endCancel(): void {
    this.head = { ...this.head, cancelsBelow: null }
  }

  noteStarts(starts: readonly number[]): void {
    this.head = { ...this.head, starts }
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    this.#database.changeJob(this, job)
    if (version !== null) this.addVersion(version)
  }

  /** Adds the version that a new head puts in force. */
  addVersion(record: JobVersionRecord): void {
    // `concat` creates an array of the exact length. A spread reserves space for more items: 130 bytes for each job.
    this.versions = this.versions.concat({ record, references: 0 })
  }

  /** Returns the stored version with this number. */
  versionOf(version: number): VersionEntry | undefined {
    const last = this.versions.at(-1)
    return last?.record.version === version ? last : this.versions.find(({ record }) => record.version === version)
  }
}

export function byId(left: MemoryJob, right: MemoryJob): number {
  return compareText(left.id, right.id)
}
