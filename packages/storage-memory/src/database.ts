import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  isFailure,
  isFinal,
  type JobRecord,
  type JobVersionRecord,
  namingKey,
  NodeList,
  pausedUntil,
  type OccurrenceRecord,
} from '@jobistemer/core/storage'
import { DueJobs } from './due-jobs.ts'
import { JobOccurrences } from './job-occurrences.ts'
import { LiveIndex } from './live-index.ts'
import { byId, MemoryJob } from './memory-job.ts'
import { byEnd, type OccurrenceEntry } from './occurrence-entry.ts'
import { SortedList } from './sorted-list.ts'
import { WakeUps } from './wake-ups.ts'

/** The data that connections share. Its methods keep the indexes up to date. */
export class Database {
  readonly jobs: Map<JobId, MemoryJob> = new Map()
  readonly jobsById: SortedList<MemoryJob> = new SortedList(byId)
  /** All jobs, including tombstones, by the instant of their last change. */
  readonly dueJobs: DueJobs = new DueJobs()
  readonly nodes: NodeList = new NodeList()
  readonly occurrences: Map<OccurrenceId, OccurrenceEntry> = new Map()
  /** For each `namingKey` of core: the id of the last occurrence with that key. */
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
