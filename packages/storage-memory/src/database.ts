import type { JobId, OccurrenceId } from '@jobistemer/core'
import { isFinal, type JobRecord, type OccurrenceAddress, type OccurrenceRecord, woken } from '@jobistemer/core/storage'
import { addressOf } from './copy.ts'
import {
  activeOf,
  byChange,
  byId,
  type JobEntry,
  newJobOccurrences,
  type OccurrenceEntry,
  versionOf,
} from './entries.ts'
import { LiveIndex } from './live-index.ts'
import { SortedList } from './sorted-list.ts'
import { WakeUps } from './wake-ups.ts'

/** The data that connections share, and the steps that keep its indexes true. */
export class Database {
  readonly jobs: Map<JobId, JobEntry> = new Map()
  readonly jobsById: SortedList<JobEntry> = new SortedList(byId)
  /** Tombstones too, by the instant of their last change. */
  readonly jobsByChange: SortedList<JobEntry> = new SortedList(byChange)
  readonly occurrences: Map<OccurrenceId, OccurrenceEntry> = new Map()
  readonly live: LiveIndex = new LiveIndex()
  readonly wakeUps: WakeUps = new WakeUps()
  #ordinal = 0

  addJob(head: JobRecord): JobEntry {
    const job: JobEntry = { id: head.id, head, changeOrdinal: this.#ordinal++, versions: [], occurrences: null }
    this.jobs.set(job.id, job)
    this.jobsById.add(job)
    this.jobsByChange.add(job)
    return job
  }

  /** Replaces the head of a job. */
  changeJob(job: JobEntry, head: JobRecord): void {
    this.jobsByChange.delete(job)
    job.head = head
    job.changeOrdinal = this.#ordinal++
    this.jobsByChange.add(job)
  }

  removeJob(job: JobEntry): void {
    this.jobs.delete(job.id)
    this.jobsById.delete(job)
    this.jobsByChange.delete(job)
  }

  addOccurrence(job: JobEntry, record: OccurrenceRecord): void {
    job.occurrences ??= newJobOccurrences()
    const { id, scheduledAt } = record
    const entry: OccurrenceEntry = { record, job, id, scheduledAt, ordinal: this.#ordinal++ }
    this.occurrences.set(id, entry)
    job.occurrences.history.add(entry)
    const version = versionOf(job, record.jobVersion)
    if (version !== undefined) version.references++
    this.live.enter(entry)
    if (record.state === 'pending') this.wakeUps.raise('due')
  }

  /** Removes a finished occurrence. */
  removeOccurrence(entry: OccurrenceEntry): void {
    const { job } = entry
    this.occurrences.delete(entry.id)
    job.occurrences?.history.delete(entry)
    const version = versionOf(job, entry.record.jobVersion)
    if (version !== undefined) version.references--
  }

  /** Replaces the record of an occurrence. */
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
    if (record.state === 'pending') this.wakeUps.raise('due')
    if (record.state === 'running' && record.cancelRequest !== before.cancelRequest) this.wakeUps.raise('cancel')
  }

  /** Wakes the job's next queued occurrence, when no active one is left. */
  wakeNext(job: JobEntry): OccurrenceAddress | null {
    const next = job.occurrences?.queued.first
    if (next === undefined || activeOf(job) > 0) return null
    this.replace(next, woken(next.record))
    return addressOf(next.record)
  }

  /** Makes all queued occurrences of the job pending. */
  wakeAll(job: JobEntry): void {
    for (const entry of [...(job.occurrences?.queued.ascending() ?? [])]) this.replace(entry, woken(entry.record))
  }

  /** How many occurrences of the job are final. */
  finalCount(job: JobEntry): number {
    const { occurrences } = job
    if (occurrences === null) return 0
    return occurrences.history.size - occurrences.pending.size - occurrences.queued.size - occurrences.running.size
  }
}

export function isFinished(entry: OccurrenceEntry): boolean {
  return isFinal(entry.record.state)
}
