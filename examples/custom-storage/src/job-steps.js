import {
  createdJob,
  deletedJob,
  ended,
  isBelatedCreate,
  isRepeatedReplace,
  replacedJob,
  wakesAllQueued,
  woken,
} from '@jobistemer/core/storage'
import { Tables } from './tables.js'

/**
 * @import { JobId } from '@jobistemer/core'
 * @import { JobChange, JobRecord, OccurrenceAddress, OccurrenceRecord, SaveJobAnswer, SaveJobsRequest } from '@jobistemer/core/storage'
 */

/** The steps on jobs, and what all steps share. */
export class JobSteps extends Tables {
  /** @param {SaveJobsRequest} request @returns {SaveJobAnswer[]} */
  saveJobs({ now, changes }) {
    return changes.map((change) => this.saveJob(change, now))
  }

  /** @param {JobChange} change @param {number} now @returns {SaveJobAnswer} */
  saveJob(change, now) {
    const head = this.jobs.get(change.id)
    if (change.kind === 'create') {
      if (head !== undefined && head.deletedAt === null) return { outcome: 'exists', job: head }
      if (head !== undefined && isBelatedCreate(change.content, head)) return { outcome: 'conflict', job: head }
      return this.enact(createdJob(change.id, change.content, head ?? null, now), now)
    }
    if (head === undefined || head.deletedAt !== null) return { outcome: 'absent' }
    if (change.kind === 'replace') return this.replaceJob(head, change, now)
    if (change.kind === 'pause') return this.pauseJob(head, change, now)
    return this.deleteJob(head, change, now)
  }

  /** @param {JobRecord} head @param {Extract<JobChange, { kind: 'replace' }>} change @param {number} now @returns {SaveJobAnswer} */
  replaceJob(head, change, now) {
    if (isRepeatedReplace(head, change)) return { outcome: 'unchanged', job: head }
    if (head.version !== change.expectedVersion || head.watermark !== change.expectedWatermark) {
      return { outcome: 'conflict', job: head }
    }
    const answer = this.enact(replacedJob(head, change.content, now), now)
    if (change.waiting === 'cancel') {
      const slots = this.liveOf(head.id, 'pending', 'queued').filter(({ kind }) => kind === 'slot')
      answer.canceled = this.endAll(slots, 'updated', now)
      this.wakeNext(head.id)
    }
    if (wakesAllQueued(change.content)) this.wakeAll(head.id)
    return answer
  }

  /** @param {JobRecord} head @param {Extract<JobChange, { kind: 'pause' }>} change @param {number} now @returns {SaveJobAnswer} */
  pauseJob(head, change, now) {
    if ((head.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: head }
    const job = { ...head, paused: change.paused, changedAt: now }
    this.putHead(job)
    return { outcome: 'saved', job, canceled: [] }
  }

  /** @param {JobRecord} head @param {Extract<JobChange, { kind: 'delete' }>} change @param {number} now @returns {SaveJobAnswer} */
  deleteJob(head, change, now) {
    if (change.expectedVersion !== null && change.expectedVersion !== head.version) {
      return { outcome: 'conflict', job: head }
    }
    const canceled = this.endAll(this.liveOf(head.id, 'pending', 'queued'), 'deleted', now)
    const job = deletedJob(head, now)
    this.putHead(job)
    return { outcome: 'saved', job, canceled }
  }

  /** Puts a new version in force. @param {JobRecord} job @param {number} now */
  enact(job, now) {
    const { id: jobId, version, fingerprint, definition } = job
    this.putHead(job)
    this.putVersion({ jobId, version, fingerprint, definition, createdAt: now })
    return { outcome: /** @type {const} */ ('saved'), job, canceled: /** @type {OccurrenceAddress[]} */ ([]) }
  }

  /** @param {JobId} jobId */
  isDeleted(jobId) {
    return this.jobs.get(jobId)?.deletedAt !== null
  }

  /** Cancels waiting occurrences. @param {OccurrenceRecord[]} records @param {string} reason @param {number} now */
  endAll(records, reason, now) {
    for (const record of records) this.put(ended(record, 'canceled', reason, now))
    return records.map(addressOf)
  }

  /** How many occurrences of the job are pending or running. @param {JobId} jobId */
  activeCount(jobId) {
    return this.liveOf(jobId, 'pending', 'running').length
  }

  /** The queued occurrence whose turn is next. @param {JobId} jobId @returns {OccurrenceRecord | undefined} */
  nextQueued(jobId) {
    return this.liveOf(jobId, 'queued')[0]
  }

  /** Wakes the next queued occurrence when nothing of the job is active. @param {JobId} jobId */
  wakeNext(jobId) {
    const next = this.nextQueued(jobId)
    if (next === undefined || this.activeCount(jobId) > 0) return null
    this.put(woken(next))
    return addressOf(next)
  }

  /** Makes all queued occurrences of the job pending. @param {JobId} jobId */
  wakeAll(jobId) {
    for (const record of this.liveOf(jobId, 'queued')) this.put(woken(record))
  }
}

/** @param {OccurrenceAddress} record @returns {OccurrenceAddress} */
export function addressOf({ id, jobId, scheduledAt }) {
  return { id, jobId, scheduledAt }
}
