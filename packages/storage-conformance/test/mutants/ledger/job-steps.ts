import type { JobId } from '@jobistemer/core'
import type {
  JobChange,
  JobRecord,
  OccurrenceAddress,
  OccurrenceRecord,
  SaveJobAnswer,
  SaveJobsRequest,
} from '@jobistemer/core/storage'
import {
  createdJob,
  deletedJob,
  ended,
  isBelatedCreate,
  isRepeatedReplace,
  maySetBack,
  replacedJob,
  wakesAllQueued,
  woken,
} from '@jobistemer/core/storage'
import { Tables } from './tables.ts'

/** The steps on jobs, and what all steps share. */
export class JobSteps extends Tables {
  saveJobs({ now, changes, cancelLimit }: SaveJobsRequest): SaveJobAnswer[] {
    return changes.map((change) => this.saveJob(change, now, cancelLimit))
  }

  saveJob(change: JobChange, now: number, cancelLimit?: number): SaveJobAnswer {
    const head = this.jobs.get(change.id)
    if (change.kind === 'create') {
      if (head !== undefined && head.deletedAt === null) return { outcome: 'exists', job: head }
      if (head !== undefined && !this.makesRoom(head, now, cancelLimit)) return { outcome: 'conflict', job: head }
      if (head !== undefined && isBelatedCreate(change.content, head)) return { outcome: 'conflict', job: head }
      return this.enact(createdJob(change.id, change.content, head ?? null, now), now)
    }
    if (head === undefined) return { outcome: 'absent' }
    const isUnfinished = change.kind === 'delete' && this.waitingOf(head.id).length > 0
    if (head.deletedAt !== null && !isUnfinished) return { outcome: 'absent' }
    if (change.kind === 'replace') return this.replaceJob(head, change, now)
    if (change.kind === 'pause') return this.pauseJob(head, change, now)
    return this.deleteJob(head, change, now, cancelLimit)
  }

  replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number): SaveJobAnswer {
    if (isRepeatedReplace(head, change)) return { outcome: 'unchanged', job: head }
    if (head.version !== change.expectedVersion || head.watermark !== change.expectedWatermark) {
      return { outcome: 'conflict', job: head }
    }
    if (!maySetBack(head, change)) return { outcome: 'conflict', job: head }
    const answer = this.enact(replacedJob(head, change.content, now, change.setBackTo), now)
    if (change.waiting === 'cancel') {
      const slots = this.liveOf(head.id, 'pending', 'queued').filter(({ kind }) => kind === 'slot')
      answer.canceled = this.endAll(slots, 'updated', now)
      this.wakeNext(head.id)
    }
    if (wakesAllQueued(change.content)) this.wakeAll(head.id)
    return answer
  }

  pauseJob(head: JobRecord, change: Extract<JobChange, { kind: 'pause' }>, now: number): SaveJobAnswer {
    if ((head.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: head }
    const job = { ...head, paused: change.paused, changedAt: now }
    this.putHead(job)
    return { outcome: 'saved', job, canceled: [] }
  }

  deleteJob(
    head: JobRecord,
    change: Extract<JobChange, { kind: 'delete' }>,
    now: number,
    cancelLimit?: number,
  ): SaveJobAnswer {
    if (change.expectedVersion !== null && change.expectedVersion !== head.version) {
      return { outcome: 'conflict', job: head }
    }
    const canceled = this.cancelLeft(head.id, now, cancelLimit)
    const isLeft = this.waitingOf(head.id).length > 0
    let job = head
    if (head.deletedAt === null) {
      job = deletedJob(isLeft ? { ...head, paused: null } : head, now)
      this.putHead(job)
    }
    return { outcome: 'saved', job, canceled, ...(isLeft && { more: true }) }
  }

  waitingOf(jobId: JobId): OccurrenceRecord[] {
    return this.liveOf(jobId, 'pending', 'queued')
  }

  /** Cancels some of what a deleted job has left. */
  cancelLeft(jobId: JobId, now: number, limit?: number): OccurrenceAddress[] {
    return this.endAll(this.waitingOf(jobId).slice(0, limit), 'deleted', now)
  }

  /** Whether nothing is left of the deleted job that another one is created over. */
  makesRoom({ id }: JobRecord, now: number, limit?: number): boolean {
    this.cancelLeft(id, now, limit)
    return this.waitingOf(id).length === 0
  }

  /** Puts a new version in force. */
  enact(job: JobRecord, now: number) {
    const { id: jobId, version, fingerprint, definition } = job
    this.putHead(job)
    this.putVersion({ jobId, version, fingerprint, definition, createdAt: now })
    return { outcome: 'saved' as const, job, canceled: [] as OccurrenceAddress[] }
  }

  isDeleted(jobId: JobId) {
    return this.jobs.get(jobId)?.deletedAt !== null
  }

  /** Cancels waiting occurrences. */
  endAll(records: OccurrenceRecord[], reason: string, now: number) {
    for (const record of records) this.put(ended(record, 'canceled', reason, now))
    return records.map(addressOf)
  }

  /** How many occurrences of the job are pending or running. */
  activeCount(jobId: JobId) {
    return this.liveOf(jobId, 'pending', 'running').length
  }

  /** The queued occurrence whose turn is next. */
  nextQueued(jobId: JobId): OccurrenceRecord | undefined {
    return this.liveOf(jobId, 'queued')[0]
  }

  /** Wakes the next queued occurrence when nothing of the job is active. */
  wakeNext(jobId: JobId) {
    const next = this.nextQueued(jobId)
    if (next === undefined || this.activeCount(jobId) > 0 || this.isOver(jobId)) return null
    this.put(woken(next))
    return addressOf(next)
  }

  /** Whether nothing of the job may start any more. */
  isOver(jobId: JobId) {
    return this.isDeleted(jobId)
  }

  /** Makes all queued occurrences of the job pending. */
  wakeAll(jobId: JobId) {
    for (const record of this.liveOf(jobId, 'queued')) this.put(woken(record))
  }
}

export function addressOf({ id, jobId, scheduledAt }: OccurrenceAddress): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}
