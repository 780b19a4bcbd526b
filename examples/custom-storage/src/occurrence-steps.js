import {
  askedToCancel,
  canceledBy,
  claimed,
  createdOccurrence,
  decideOverlap,
  decideRecoveredRun,
  ended,
  excludedOccurrence,
  finished,
  handedBack,
  isFinal,
  isStartable,
  judgeCreate,
  judgeSettle,
  passesSlot,
  recoveredOccurrence,
  requeued,
  withRuns,
} from '@jobistemer/core/storage'
import { addressOf, JobSteps } from './job-steps.js'

/**
 * @import {
 *   CancelAnswer, CancelItem, CancelNotice, CancelOccurrencesRequest, ClaimAnswer, ClaimRequest, CreateAnswer,
 *   CreateItem, CreateOccurrencesRequest, CreateRecovery, CreateRequested, CreateSlot, JobRecord, OccurrenceAddress,
 *   OccurrenceRecord, Owner, ReapAnswer, ReapItem, ReapRequest, SettleAnswer, SettleItem, SettleRequest
 * } from '@jobistemer/core/storage'
 */

/** The steps on occurrences. Each is one synchronous function, which makes it atomic inside this process. */
export class OccurrenceSteps extends JobSteps {
  /** @param {CreateOccurrencesRequest} request @returns {CreateAnswer[]} */
  createOccurrences({ now, owner, items }) {
    return items.map((item) => this.createOne(item, owner, now))
  }

  /** @param {CreateItem} item @param {Owner} owner @param {number} now @returns {CreateAnswer} */
  createOne(item, owner, now) {
    const head = this.jobs.get(item.jobId) ?? null
    const record = this.occurrences.get(item.id)
    const verdict = this.judge(item, head, record)
    if (verdict === 'exists') return this.answerExists(item, record)
    if (verdict !== 'create') return verdict
    const job = /** @type {JobRecord} */ (head)
    if (item.kind === 'recovery') return this.createRecovery(item, job, now)
    if (item.kind === 'exclusion') {
      const excluded = excludedOccurrence(item, now)
      this.put(excluded)
      return createdAnswer(excluded)
    }
    return this.createDue(item, job, owner, now)
  }

  /** @param {CreateItem} item @param {JobRecord | null} head @param {OccurrenceRecord | undefined} record */
  judge(item, head, record) {
    return judgeCreate(item, head, record !== undefined)
  }

  /** @param {CreateItem} item @param {OccurrenceRecord | undefined} record @returns {CreateAnswer} */
  answerExists(item, record) {
    const { state, token, owner, jobId } = /** @type {OccurrenceRecord} */ (record)
    const head = /** @type {JobRecord} */ (this.jobs.get(jobId))
    if (passesSlot(item, head)) this.advance(head, item.scheduledAt, item.nextAt)
    const { watermark, nextAt } = /** @type {JobRecord} */ (this.jobs.get(jobId))
    return { outcome: 'exists', state, token, owner, watermark, nextAt }
  }

  /** Moves the job past its slots up to `watermark`, which never moves back. @param {JobRecord} head @param {number} watermark @param {number | null} nextAt */
  advance(head, watermark, nextAt) {
    this.putHead({ ...head, watermark: Math.max(head.watermark, watermark), nextAt })
  }

  /** @param {CreateSlot | CreateRequested} item @param {JobRecord} head @param {Owner} owner @param {number} now @returns {CreateAnswer} */
  createDue(item, head, owner, now) {
    const decision = decideOverlap({
      kind: item.kind,
      overlap: head.overlap,
      paused: head.paused !== null,
      startable: isStartable(item, now),
      pending: this.liveOf(head.id, 'pending').length,
      running: this.liveOf(head.id, 'running').length,
      queued: this.liveOf(head.id, 'queued').length,
    })
    const displaced = decision.displacesWaiting
      ? this.endAll(this.liveOf(head.id, 'pending', 'queued'), 'displaced', now)
      : []
    const cancelRequested = decision.cancelsRunning ? this.askRunning(head, now) : []
    const record = createdOccurrence(item, decision, owner, now)
    this.put(record)
    if (item.kind === 'slot') this.advance(head, item.scheduledAt, item.nextAt)
    return createdAnswer(record, displaced, cancelRequested)
  }

  /** @param {JobRecord} head @param {number} now */
  askRunning(head, now) {
    return this.liveOf(head.id, 'running').map((record) => {
      const asked = askedToCancel(record, { at: now, reason: 'displaced', actor: null })
      this.put(asked)
      return noticeOf(asked)
    })
  }

  /** @param {CreateRecovery} item @param {JobRecord} head @param {number} now @returns {CreateAnswer} */
  createRecovery(item, head, now) {
    for (const entry of item.entries) {
      // A slot that was excluded ahead keeps its record.
      if (this.occurrences.has(entry.id)) continue
      const state = decideRecoveredRun(head.overlap, this.activeCount(head.id))
      this.put(recoveredOccurrence(item, entry, state, now))
    }
    this.advance(head, item.watermark, item.nextAt)
    const last = this.occurrences.get(item.entries.at(-1)?.id ?? item.id)
    return createdAnswer(last ?? { state: 'missed', token: 0, reason: null })
  }

  /** @param {ClaimRequest} request @returns {ClaimAnswer} */
  claim({ now, owner, limit, exceptHandlerKeys, sweep }) {
    if (sweep) for (const jobId of this.live.keys()) this.wakeNext(jobId)
    const pending = this.claimable(exceptHandlerKeys)
    /** @type {OccurrenceRecord[]} */
    const taken = []
    let more = false
    for (const record of pending.filter(({ dueAt }) => dueAt <= now)) {
      more = taken.length >= limit
      if (more) break
      if (this.isBlocked(record)) {
        this.put(requeued(record))
        continue
      }
      const running = claimed(record, owner, now)
      this.put(running)
      taken.push(running)
    }
    const later = pending.map(({ dueAt }) => dueAt).filter((dueAt) => dueAt > now)
    const nextDueAt = later.length === 0 ? null : later.reduce((least, dueAt) => Math.min(least, dueAt))
    return { claimed: taken, cancelRequested: this.noticesFor(owner), more, nextDueAt }
  }

  /** The pending occurrences of jobs that are neither paused nor left to others, oldest first. @param {readonly string[]} exceptHandlerKeys */
  claimable(exceptHandlerKeys) {
    return this.allLive().filter(({ state, jobId }) => {
      const head = /** @type {JobRecord} */ (this.jobs.get(jobId))
      return state === 'pending' && head.paused === null && !exceptHandlerKeys.includes(head.handlerKey)
    })
  }

  /** Whether another occurrence of a job that must not overlap runs. @param {OccurrenceRecord} record */
  isBlocked({ jobId }) {
    return this.jobs.get(jobId)?.overlap.policy !== 'allow' && this.liveOf(jobId, 'running').length > 0
  }

  /** @param {Owner} owner @returns {CancelNotice[]} */
  noticesFor({ node, incarnation }) {
    return this.allLive()
      .filter(({ state, cancelRequest }) => state === 'running' && cancelRequest !== null)
      .filter(({ owner }) => owner?.node === node && owner.incarnation === incarnation)
      .map(noticeOf)
  }

  /** @param {SettleRequest} request @returns {SettleAnswer[]} */
  settle({ now, items }) {
    return items.map((item) => this.settleOne(item, now))
  }

  /** @param {SettleItem} item @param {number} now @returns {SettleAnswer} */
  settleOne(item, now) {
    const record = this.occurrences.get(item.id)
    if (record === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
    const verdict = judgeSettle(record, item)
    if (verdict === 'lost') return { outcome: 'lost', state: record.state, token: record.token }
    const woken = verdict === 'apply' ? this.applySettle(record, item, now) : null
    return { outcome: 'ok', woken, cancelRequested: record.cancelRequest?.reason ?? null }
  }

  /** @param {OccurrenceRecord} record @param {SettleItem} item @param {number} now @returns {OccurrenceAddress | null} */
  applySettle(record, { change, runs, sequence }, now) {
    if (change.kind === 'finish') {
      this.put(finished(record, { state: change.state, reason: change.reason, runs, sequence }, now))
      return this.wakeNext(record.jobId)
    }
    const kept = withRuns(record, runs, sequence)
    const { jobId } = record
    this.put(
      change.kind === 'progress' ? kept : handedBack(kept, { ...change, jobDeleted: this.isDeleted(jobId) }, now),
    )
    return null
  }

  /** @param {CancelOccurrencesRequest} request @returns {CancelAnswer[]} */
  cancel({ now, items }) {
    return items.map((item) => this.cancelOne(item, now))
  }

  /** @param {CancelItem} item @param {number} now @returns {CancelAnswer} */
  cancelOne({ id, reason, actor, mode }, now) {
    const record = this.occurrences.get(id)
    if (record === undefined) return { outcome: 'absent' }
    if (isFinal(record.state)) return { outcome: 'final', state: record.state }
    const request = { at: now, reason, actor }
    if (record.state === 'running' && mode === 'request') {
      this.put(askedToCancel(record, request))
      return { outcome: 'requested', token: record.token, owner: /** @type {Owner} */ (record.owner) }
    }
    this.put(canceledBy(record, request, now))
    return { outcome: 'canceled', woken: this.wakeNext(record.jobId) }
  }

  /** @param {ReapRequest} request @returns {ReapAnswer[]} */
  reap({ now, items }) {
    return items.map((item) => this.reapOne(item, now))
  }

  /** @param {ReapItem} item @param {number} now @returns {ReapAnswer} */
  reapOne({ id, token, sequence, runs, action, reason }, now) {
    const record = this.occurrences.get(id)
    if (record === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
    if (record.state !== 'running' || record.token !== token || record.sequence !== sequence) {
      return { outcome: 'lost', state: record.state, token: record.token }
    }
    const kept = withRuns(record, runs, sequence)
    if (action === 'fail') {
      this.put(ended(kept, 'failed_stale', reason, now))
      return { outcome: 'reaped', woken: this.wakeNext(record.jobId) }
    }
    const change = { dueAt: record.dueAt, reason, jobDeleted: this.isDeleted(record.jobId) }
    this.put(handedBack(kept, change, now))
    return { outcome: 'reaped', woken: null }
  }
}

/**
 * @param {Pick<OccurrenceRecord, 'state' | 'token' | 'reason'>} record
 * @param {OccurrenceAddress[]} displaced
 * @param {CancelNotice[]} cancelRequested
 * @returns {CreateAnswer}
 */
function createdAnswer({ state, token, reason }, displaced = [], cancelRequested = []) {
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

/** @param {OccurrenceRecord} record @returns {CancelNotice} */
function noticeOf(record) {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? '' }
}
