import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  isFailure,
  isFinal,
  isSuperseded,
  type JobCounts,
  type JobLedger,
  type JobRecord,
  type JobVersionRecord,
  type LiveState,
  namingKey,
  NodeList,
  type OccurrenceAddress,
  type OccurrenceRecord,
  pausedUntil,
} from '@jobistemer/core/storage'
import { DueJobs } from './due-jobs.ts'
import { LiveIndex } from './live-index.ts'
import { byEnd, compareText, JobOccurrences, type OccurrenceEntry } from './occurrences.ts'
import { SortedList } from './sorted-list.ts'
import { WakeUps } from './wake-ups.ts'

/** A version of a job, with the number of stored occurrences that refer to it. */
interface VersionEntry {
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
  /** The instant by which `DueJobs` sorts this job; `null` if the job is not in this list. */
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

  change(part: Partial<Pick<JobRecord, 'cancelsBelow' | 'starts'>>): void {
    this.head = { ...this.head, ...part }
  }

  save(job: JobRecord, version: JobVersionRecord | null): void {
    this.#database.changeJob(this, job)
    if (version !== null) this.addVersion(version)
  }

  /** Adds a version as the last one, which is in force. */
  addVersion(record: JobVersionRecord): void {
    // `concat` creates an array of the exact length. A spread would cost 130 bytes more for each job.
    this.versions = this.versions.concat({ record, references: 0 })
  }

  /** Returns the stored version with this number; `undefined` if the job has no such version. */
  versionOf(version: number): VersionEntry | undefined {
    const last = this.versions.at(-1)
    return last?.record.version === version ? last : this.versions.find(({ record }) => record.version === version)
  }
}

/** The data that all connections of a memory database share. The methods of this class keep the indexes up to date. */
export class Database {
  readonly jobs: Map<JobId, MemoryJob> = new Map()
  readonly jobsById: SortedList<MemoryJob> = new SortedList((left, right) => compareText(left.id, right.id))
  /** The jobs that have a next instant and are not deleted, in the order of these instants. */
  readonly dueJobs: DueJobs = new DueJobs()
  readonly nodes: NodeList = new NodeList()
  readonly occurrences: Map<OccurrenceId, OccurrenceEntry> = new Map()
  /**
   * The last occurrence of each reusable key. Maps the id of the key (see core's `namingKey`) to the id of the
   * occurrence.
   */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()
  readonly live: LiveIndex = new LiveIndex()
  /** Failed occurrences of all jobs, by the time of their end. */
  readonly failed: SortedList<OccurrenceEntry> = new SortedList(byEnd)
  readonly wakeUps: WakeUps = new WakeUps()
  #ordinal = 0

  addJob(head: JobRecord, version: JobVersionRecord): void {
    const job = new MemoryJob(this, head)
    job.addVersion(version)
    this.jobs.set(job.id, job)
    this.jobsById.add(job)
    this.dueJobs.changed(job)
  }

  /** Replaces the head of a job, and updates the indexes. */
  changeJob(job: MemoryJob, head: JobRecord): void {
    const isOtherPause = pausedUntil(job.head.paused) !== pausedUntil(head.paused)
    if (isOtherPause) this.live.park(job)
    job.head = head
    if (isOtherPause) this.live.unpark(job)
    this.dueJobs.changed(job)
  }

  removeJob(job: MemoryJob): void {
    this.jobs.delete(job.id)
    this.jobsById.delete(job)
    this.dueJobs.removed(job)
  }

  addOccurrence(job: MemoryJob, record: OccurrenceRecord): void {
    job.occurrences ??= new JobOccurrences()
    const { id, scheduledAt } = record
    const entry: OccurrenceEntry = { record, job, id, scheduledAt, ordinal: this.#ordinal++ }
    this.occurrences.set(id, entry)
    const keyId = namingKey(record)
    if (keyId !== undefined) this.keys.set(keyId, id)
    job.occurrences.history.add(entry)
    const version = job.versionOf(record.jobVersion)
    if (version !== undefined) version.references++
    this.live.enter(entry)
  }

  /** Removes a finished occurrence. Returns false if no finished occurrence has this id. */
  removeOccurrence(id: OccurrenceId): boolean {
    const entry = this.occurrences.get(id)
    if (entry === undefined || !isFinal(entry.record.state)) return false
    const { job } = entry
    this.occurrences.delete(id)
    const { keyId } = entry.record.details
    if (keyId !== undefined && this.keys.get(keyId) === id) this.keys.delete(keyId)
    job.occurrences?.history.delete(entry)
    if (isFailure(entry.record.state)) {
      this.failed.delete(entry)
      job.occurrences?.failed?.delete(entry)
    }
    const version = job.versionOf(entry.record.jobVersion)
    if (version !== undefined) version.references--
    return true
  }

  /** Replaces the record of an occurrence, and updates the indexes. */
  replace(entry: OccurrenceEntry, record: OccurrenceRecord): void {
    const { record: before } = entry
    const moves =
      before.state !== record.state || before.dueAt !== record.dueAt || before.cancelRequest !== record.cancelRequest
    if (!moves) {
      entry.record = record
      return
    }
    this.live.leave(entry)
    entry.record = record
    this.live.enter(entry)
    if (isFailure(record.state)) {
      this.failed.add(entry)
      entry.job.occurrences?.failures.add(entry)
    }
  }
}
