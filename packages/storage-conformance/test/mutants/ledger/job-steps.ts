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
  changesPause,
  createdJob,
  deletedJob,
  ended,
  goesOnCanceling,
  isBelatedCreate,
  isDelayed,
  isRepeatedReplace,
  isSuperseded,
  mayReplace,
  replacedJob,
  wakesAllQueued,
  addsPlaces,
  changesStartRate,
  heldBack,
  letGo,
  nextStartAt,
  startRateReason,
  startsAfter,
  woken,
} from '@jobistemer/core/storage'
import { Tables } from './tables.ts'

/** Maximum number of superseded occurrences that a step on one occurrence cancels. */
export const canceledInPassing = 50

/** The steps on jobs, and the functions that all steps share. */
export class JobSteps extends Tables {
  /** The time of the current call. */
  now = 0

  saveJobs({ now, changes, cancelLimit }: SaveJobsRequest): SaveJobAnswer[] {
    this.now = now
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
    if (change.kind === 'replace') return this.replaceJob(head, change, now, cancelLimit)
    if (change.kind === 'pause') return this.pauseJob(head, change, now)
    return this.deleteJob(head, change, now, cancelLimit)
  }

  replaceJob(
    head: JobRecord,
    change: Extract<JobChange, { kind: 'replace' }>,
    now: number,
    cancelLimit?: number,
  ): SaveJobAnswer {
    if (this.goesOn(head, change)) return this.cancelReplaced(head.id, cancelLimit)
    if (isRepeatedReplace(head, change)) return { outcome: 'unchanged', job: head }
    if (head.version !== change.expectedVersion || head.watermark !== change.expectedWatermark) {
      return { outcome: 'conflict', job: head }
    }
    if (!mayReplace(head, change)) return { outcome: 'conflict', job: head }
    const answer = this.enact(this.replaced(head, change, now), now)
    if (this.changesRate(head, answer.job)) this.letGoHeld(head.id)
    if (change.waiting === 'cancel') return this.cancelReplaced(head.id, cancelLimit)
    if (answer.job.cancelsBelow !== null) return answer
    if (wakesAllQueued(change.content)) this.wakeAll(head.id)
    else if (this.addsPlaces(head, answer.job) || this.changesRate(head, answer.job)) this.wakeFirst(head.id)
    return answer
  }

  replaced(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number): JobRecord {
    return replacedJob(head, change, now)
  }

  changesRate(before: JobRecord, after: JobRecord): boolean {
    return changesStartRate(before, after)
  }

  /**
   * An earlier start rate of the job may have held back pending occurrences. For each of them, computes the new instant from
   * which it may start.
   */
  letGoHeld(jobId: JobId) {
    for (const record of this.liveOf(jobId, 'pending')) {
      if (record.reason === startRateReason) this.put(this.inTime(letGo(record, this.now)))
    }
  }

  hasStartRate(jobId: JobId): boolean {
    return this.jobs.get(jobId)?.overlap.startRate !== undefined
  }

  /** Returns the earliest instant at which the start rate allows a further start. */
  nextStartAt(jobId: JobId): number {
    return nextStartAt(this.jobs.get(jobId) as JobRecord)
  }

  /**
   * Returns whether a new occurrence may start at once: the start rate allows a start, and no other occurrence waits
   * for a start.
   */
  mayStart(jobId: JobId): boolean {
    if (!this.hasStartRate(jobId)) return true
    return (
      this.liveOf(jobId, 'pending').every((record) => this.isDelayed(record)) && this.nextStartAt(jobId) <= this.now
    )
  }

  /** Adds a start to the starts in the job's head. */
  noteStart(jobId: JobId) {
    const head = this.jobs.get(jobId) as JobRecord
    if (this.hasStartRate(jobId)) this.putHead({ ...head, starts: this.startsAfter(head) })
  }

  startsAfter(head: JobRecord): readonly number[] {
    return startsAfter(head, this.now)
  }

  /**
   * Returns the given occurrence. The start rate may not allow a pending occurrence to start now. The returned copy is then
   * held back until the next allowed instant.
   */
  inTime(record: OccurrenceRecord): OccurrenceRecord {
    if (record.state !== 'pending' || this.isDelayed(record)) return record
    const from = this.nextStartAt(record.jobId)
    return from > this.now && from > record.dueAt ? heldBack(record, from) : record
  }

  addsPlaces(before: JobRecord, after: JobRecord): boolean {
    return addsPlaces(before, after)
  }

  goesOn(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>): boolean {
    return goesOnCanceling(head, change)
  }

  cancelReplaced(jobId: JobId, cancelLimit?: number): SaveJobAnswer {
    const canceled = this.cancelSuperseded(jobId, cancelLimit)
    this.wakeFirst(jobId)
    const job = this.jobs.get(jobId) as JobRecord
    return { outcome: 'saved', job, canceled, ...(job.cancelsBelow !== null && { more: true }) }
  }

  /** Returns whether the waiting occurrence must be canceled because of an update, and no step has canceled it yet. */
  isSuperseded(record: OccurrenceRecord): boolean {
    return isSuperseded(this.jobs.get(record.jobId) as JobRecord, record)
  }

  /** Cancels at most `limit` superseded occurrences. */
  cancelSuperseded(jobId: JobId, limit = Number.POSITIVE_INFINITY): OccurrenceAddress[] {
    const job = this.jobs.get(jobId) as JobRecord
    if (job.cancelsBelow === null) return []
    const waiting = [...this.liveOf(jobId, 'pending'), ...this.liveOf(jobId, 'queued')]
    const superseded = waiting.filter((record) => this.isSuperseded(record))
    const canceled = this.endAll(superseded.slice(0, limit), 'updated', this.now)
    if (superseded.length <= limit) {
      this.putHead({ ...job, cancelsBelow: null })
      if (wakesAllQueued(job)) this.wakeAll(jobId)
    }
    return canceled
  }

  pauseJob(head: JobRecord, change: Extract<JobChange, { kind: 'pause' }>, now: number): SaveJobAnswer {
    if (!changesPause(head, change.paused, now)) return { outcome: 'unchanged', job: head }
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

  /** Cancels at most `limit` waiting occurrences of a deleted job. */
  cancelLeft(jobId: JobId, now: number, limit?: number): OccurrenceAddress[] {
    return this.endAll(this.waitingOf(jobId).slice(0, limit), 'deleted', now)
  }

  /**
   * Cancels at most `limit` waiting occurrences of the deleted job. Returns whether no waiting occurrence is left. Only
   * then may a new job replace the deleted job.
   */
  makesRoom({ id }: JobRecord, now: number, limit?: number): boolean {
    this.cancelLeft(id, now, limit)
    return this.waitingOf(id).length === 0
  }

  /** Puts a new version of a job in force. */
  enact(job: JobRecord, now: number) {
    const { id: jobId, version, fingerprint, definition } = job
    this.putHead(job)
    this.putVersion({ jobId, version, fingerprint, definition, createdAt: now })
    return { outcome: 'saved' as const, job, canceled: [] as OccurrenceAddress[] }
  }

  isDeleted(jobId: JobId) {
    return this.jobs.get(jobId)?.deletedAt !== null
  }

  /** Cancels the given waiting occurrences, and stores the reason. Returns their addresses. */
  endAll(records: OccurrenceRecord[], reason: string, now: number) {
    for (const record of records) this.put(ended(record, 'canceled', reason, now))
    return records.map(addressOf)
  }

  /**
   * Returns the number of active occurrences of the job. A trigger or replay that was created for a later time is not
   * active while it is pending.
   */
  activeCount(jobId: JobId) {
    return this.liveOf(jobId, 'pending', 'running').filter((record) => !this.isDelayed(record)).length
  }

  isDelayed(record: OccurrenceRecord) {
    return isDelayed(record)
  }

  /** Returns the queued occurrence that starts next. */
  nextQueued(jobId: JobId): OccurrenceRecord | undefined {
    return this.liveOf(jobId, 'queued')[0]
  }

  /** If the last step has woken two occurrences: the second one. Otherwise `null`. */
  wokenToo: OccurrenceAddress | null = null

  /** Wakes the next queued occurrences while the job has free places. */
  wakeNext(jobId: JobId) {
    if (this.nextQueued(jobId) === undefined || this.isOver(jobId)) return null
    this.cancelSuperseded(jobId, canceledInPassing)
    return this.wakeFirst(jobId)
  }

  wakeFirst(jobId: JobId) {
    const first = this.wakeOne(jobId)
    this.wokenToo = first === null || this.hasStartRate(jobId) ? null : this.wakeSecond(jobId)
    return first
  }

  wakeSecond(jobId: JobId) {
    return this.wakeOne(jobId)
  }

  wakeOne(jobId: JobId) {
    const next = this.nextQueued(jobId)
    if (next === undefined || !this.hasPlace(jobId) || this.isOver(jobId) || this.isSuperseded(next)) return null
    this.put(this.inTime(woken(next)))
    return addressOf(next)
  }

  /** Returns whether the job has a free place, so that a queued occurrence may be woken. */
  hasPlace(jobId: JobId) {
    return this.activeCount(jobId) < (this.jobs.get(jobId)?.overlap.maxConcurrency ?? 1)
  }

  /** Returns whether no occurrence of the job may start any more. */
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
