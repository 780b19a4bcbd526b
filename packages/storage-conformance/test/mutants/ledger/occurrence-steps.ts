import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  CancelAnswer,
  CancelItem,
  CancelNotice,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateItem,
  CreateOccurrencesRequest,
  CreateRecovery,
  CreateRequested,
  CreateSlot,
  JobRecord,
  OccurrenceAddress,
  OccurrenceRecord,
  OverlapRule,
  Owner,
  ReapAnswer,
  ReapItem,
  ReapRequest,
  ReusableKey,
  SettleAnswer,
  SettleItem,
  SettleRequest,
} from '@jobistemer/core/storage'
import {
  askedToCancel,
  blocksKey,
  canceledBy,
  claimed,
  compareOrder,
  createdOccurrence,
  decideOverlap,
  decideRecoveredRun,
  ended,
  excludedOccurrence,
  finished,
  handedBack,
  heldBack,
  isFinal,
  isForLater,
  isStartable,
  judgeCreate,
  pausedUntil,
  isHeldBy,
  judgeSettle,
  placesOf,
  passesSlot,
  recoveredOccurrence,
  requeued,
  standsForSeveral,
  rescued,
  withRuns,
} from '@jobistemer/core/storage'
import { addressOf, canceledInPassing, JobSteps } from './job-steps.ts'

/** The steps on occurrences. Each step is synchronous, and thus atomic in this process. */
export class OccurrenceSteps extends JobSteps {
  createOccurrences({ now, owner, items }: CreateOccurrencesRequest): CreateAnswer[] {
    this.now = now
    return items.map((item) => this.createOne(item, owner, now))
  }

  createOne(item: CreateItem, owner: Owner, now: number): CreateAnswer {
    const head = this.jobs.get(item.jobId) ?? null
    const record = this.occurrences.get(item.id)
    const verdict = this.judge(item, head, record)
    if (verdict === 'exists') return this.answerExists(item, record)
    if (verdict !== 'create') return verdict
    const job = head as JobRecord
    if (item.kind === 'recovery') return this.createRecovery(item, job, now)
    if (item.kind === 'exclusion') {
      const excluded = excludedOccurrence(item, now)
      this.put(excluded)
      return createdAnswer(excluded)
    }
    const blocking = item.kind === 'slot' ? undefined : this.blockingKey(item)
    if (blocking !== undefined) return { ...this.answerExists(item, blocking), id: blocking.id } as CreateAnswer
    return this.createDue(item, job, owner, now)
  }

  /** Returns the occurrence that blocks the key of a request. */
  blockingKey({ key }: CreateRequested): OccurrenceRecord | undefined {
    if (key === undefined) return undefined
    const named = [this.namedByKey(key), this.occurrences.get(key.id)]
    return named.find((record) => record !== undefined && this.blocksKey(record, key))
  }

  namedByKey({ id }: ReusableKey): OccurrenceRecord | undefined {
    const named = this.keys.get(id)
    return named === undefined ? undefined : this.occurrences.get(named)
  }

  blocksKey(record: OccurrenceRecord, key: ReusableKey): boolean {
    return blocksKey(record, key)
  }

  judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
    return judgeCreate(item, head, record !== undefined)
  }

  answerExists(item: CreateItem, record: OccurrenceRecord | undefined): CreateAnswer {
    const { state, token, owner, jobId } = record as OccurrenceRecord
    const head = this.jobs.get(jobId) as JobRecord
    if (passesSlot(item, head)) this.advance(head, item.scheduledAt, item.nextAt)
    const { watermark, nextAt } = this.jobs.get(jobId) as JobRecord
    return { outcome: 'exists', state, token, owner, watermark, nextAt }
  }

  /** Moves the job's watermark forward, never back, and sets its next instant. */
  advance(head: JobRecord, watermark: number, nextAt: number | null) {
    this.putHead({ ...head, watermark: Math.max(head.watermark, watermark), nextAt })
  }

  /**
   * Cancels at most {@link canceledInPassing} superseded occurrences of the job, and then wakes its next queued occurrence.
   * Returns whether superseded occurrences are left. Under the overlap policy `allow`, does nothing and returns `false`.
   */
  passSuperseded({ id, overlap, cancelsBelow }: JobRecord): boolean {
    if (cancelsBelow === null || overlap.policy === 'allow') return false
    this.cancelSuperseded(id, canceledInPassing)
    this.wakeFirst(id)
    return this.jobs.get(id)?.cancelsBelow !== null
  }

  createDue(item: CreateSlot | CreateRequested, before: JobRecord, owner: Owner, now: number): CreateAnswer {
    const superseded = this.passSuperseded(before)
    const head = { ...before, cancelsBelow: this.jobs.get(before.id)?.cancelsBelow ?? null }
    const decision = decideOverlap({
      kind: item.kind,
      overlap: this.overlapOf(head),
      slotPaused: this.isSlotPaused(head, item.scheduledAt, now),
      startable: isStartable(item, now) && now >= this.pausedUntil(head) && this.mayStart(head.id),
      delayed: isForLater(item, now),
      pending: this.liveOf(head.id, 'pending').filter((record) => !this.isDelayed(record)).length,
      running: this.liveOf(head.id, 'running').length,
      queued: this.queuedBefore(head),
      superseded,
    })
    if (decision.state === 'refused') return { outcome: 'queue_full', maxQueued: head.overlap.maxQueued }
    const waiting = this.liveOf(head.id, 'pending', 'queued').filter((record) => !this.isSuperseded(record))
    const displaced = decision.displacesWaiting ? this.endAll(this.displaceable(waiting), 'displaced', now) : []
    const cancelRequested = decision.cancelsRunning ? this.askRunning(head, now) : []
    const record = this.inTime(createdOccurrence(item, decision, owner, now))
    if (record.id === item.id || !this.occurrences.has(record.id)) this.put(record)
    this.nameByKey(record)
    if (record.state === 'running') this.noteStart(head.id)
    if (item.kind === 'slot') this.advance(this.jobs.get(head.id) as JobRecord, item.scheduledAt, item.nextAt)
    return createdAnswer(record, displaced, cancelRequested)
  }

  overlapOf({ overlap }: JobRecord): OverlapRule {
    return overlap
  }

  queuedBefore({ id }: JobRecord) {
    return this.liveOf(id, 'queued').length
  }

  /** Returns the waiting occurrences that a newer occurrence displaces. */
  displaceable(waiting: OccurrenceRecord[]) {
    return waiting.filter((record) => !this.isDelayed(record))
  }

  askRunning(head: JobRecord, now: number) {
    return this.liveOf(head.id, 'running').map((record) => {
      const asked = askedToCancel(record, { at: now, reason: 'displaced', actor: null })
      this.put(asked)
      return noticeOf(asked)
    })
  }

  createRecovery(item: CreateRecovery, head: JobRecord, now: number): CreateAnswer {
    if (this.isUnaware(item)) return { outcome: 'off_schedule', watermark: head.watermark, nextAt: head.nextAt }
    this.passSuperseded(head)
    for (const entry of item.entries) {
      // If a future slot was canceled before this recovery, the slot keeps its record. The recovery creates no record for
      // it.
      if (this.occurrences.has(entry.id)) continue
      const state = decideRecoveredRun(head.overlap, this.activeCount(head.id))
      this.put(this.inTime(recoveredOccurrence(item, entry, state, now)))
    }
    this.advance(this.jobs.get(head.id) as JobRecord, item.watermark, item.nextAt)
    const last = this.occurrences.get(item.entries.at(-1)?.id ?? item.id)
    return createdAnswer(last ?? { state: 'missed', token: 0, reason: null })
  }

  isUnaware({ entries }: CreateRecovery): boolean {
    return entries.some((entry) => standsForSeveral(entry) && this.occurrences.has(entry.id))
  }

  claim({ now, owner, limit, exceptHandlerKeys, sweep }: ClaimRequest): ClaimAnswer {
    this.now = now
    if (sweep) for (const jobId of this.live.keys()) this.tend(jobId, now)
    this.passPending(exceptHandlerKeys)
    const taken: OccurrenceRecord[] = []
    const held = new Set<JobId>()
    const seen = new Set<OccurrenceId>()
    let more = false
    let hasWoken = false
    for (;;) {
      const claimable = this.claimable(exceptHandlerKeys).filter((pending) => !seen.has(pending.id))
      const record = claimable.find((pending) => this.claimableFrom(pending) <= now)
      more = record !== undefined && taken.length >= limit
      if (record === undefined || more) break
      seen.add(record.id)
      if (this.isOver(record.jobId)) {
        this.put(ended(record, 'canceled', 'deleted', now))
        continue
      }
      if (this.isBlocked(record)) {
        this.put(requeued(record))
        continue
      }
      const from = this.nextStartAt(record.jobId)
      if (from > now) {
        this.put(held.has(record.jobId) ? requeued(record) : this.heldBack(record, from))
        held.add(record.jobId)
        continue
      }
      const running = claimed(record, owner, now)
      this.put(running)
      taken.push(running)
      if (this.hasStartRate(record.jobId)) {
        this.noteStart(record.jobId)
        if (this.wakeBehind(record.jobId) !== null) hasWoken = true
      }
    }
    if (hasWoken) taken.sort(compareOrder)
    const nextDueAt = this.nextDueAt(this.claimable(exceptHandlerKeys), now)
    return { claimed: taken, cancelRequested: this.noticesFor(owner), more, nextDueAt }
  }

  heldBack(record: OccurrenceRecord, until: number): OccurrenceRecord {
    return heldBack(record, until)
  }

  /**
   * Wakes the next queued occurrence of the job. If a job has a start rate, a claim calls this method after each start of this
   * job.
   */
  wakeBehind(jobId: JobId) {
    return this.wakeOne(jobId)
  }

  nextDueAt(pending: readonly OccurrenceRecord[], now: number): number | null {
    const next = Math.min(...pending.map((record) => this.claimableFrom(record)).filter((from) => from > now))
    return Number.isFinite(next) ? next : null
  }

  /** Returns the instant from which a claim may take the occurrence. */
  claimableFrom({ jobId, dueAt }: OccurrenceRecord): number {
    return Math.max(dueAt, this.pausedUntil(this.jobs.get(jobId) as JobRecord))
  }

  /** Returns the instant until which the job is paused. */
  pausedUntil({ paused }: JobRecord): number {
    return pausedUntil(paused)
  }

  isSlotPaused(head: JobRecord, scheduledAt: number, _now: number): boolean {
    return scheduledAt < this.pausedUntil(head)
  }

  /**
   * Cancels the superseded occurrences that a claim would otherwise take. For each job with such occurrences, wakes the next
   * queued occurrence.
   */
  passPending(exceptHandlerKeys: readonly string[]) {
    for (;;) {
      const claimable = this.claimable(exceptHandlerKeys).filter((record) => this.claimableFrom(record) <= this.now)
      const found = claimable.find((record) => !this.isDeleted(record.jobId) && this.isSuperseded(record))
      if (found === undefined) return
      this.cancelSuperseded(found.jobId, canceledInPassing)
      this.wakeFirst(found.jobId)
    }
  }

  /**
   * Sweeps a job. If the job is deleted and no occurrence is active, cancels its waiting occurrences. If the job is not
   * deleted, cancels superseded occurrences, and wakes the next queued occurrence.
   */
  tend(jobId: JobId, now: number) {
    if (!this.isDeleted(jobId)) {
      const hadSuperseded = (this.jobs.get(jobId) as JobRecord).cancelsBelow !== null
      // A superseded occurrence is queued or pending. If no occurrence is queued, the later claims find the superseded
      // occurrences and cancel them, so this step need not.
      if (this.nextQueued(jobId) !== undefined) this.cancelSuperseded(jobId)
      // If an occurrence is active, this step wakes no other occurrence, because the end of the active occurrence wakes the
      // next one.
      if (hadSuperseded || this.activeCount(jobId) === 0) this.wakeFirst(jobId)
    } else if (this.activeCount(jobId) === 0) this.cancelLeft(jobId, now)
  }

  /** Returns the pending occurrences whose handler keys the claim does not exclude, in the order of claims. */
  claimable(exceptHandlerKeys: readonly string[]) {
    return this.allLive()
      .filter(({ state, jobId }) => {
        const head = this.jobs.get(jobId) as JobRecord
        return state === 'pending' && !exceptHandlerKeys.includes(head.handlerKey)
      })
      .sort((left, right) => this.comparePending(left, right))
  }

  /**
   * Returns whether the occurrence must not start yet, because its job has no free place:
   * - Each occurrence is blocked if running occurrences take all places.
   * - A delayed trigger or replay is also blocked if the active occurrences, without delayed ones, take all places.
   */
  isBlocked(record: OccurrenceRecord) {
    const { jobId } = record
    const places = placesOf((this.jobs.get(jobId) as JobRecord).overlap)
    return (
      this.liveOf(jobId, 'running').length >= places || (this.isDelayed(record) && this.activeCount(jobId) >= places)
    )
  }

  noticesFor({ node, incarnation }: Owner): CancelNotice[] {
    return this.allLive()
      .filter(({ state, cancelRequest }) => state === 'running' && cancelRequest !== null)
      .filter(({ owner }) => owner?.node === node && owner.incarnation === incarnation)
      .map(noticeOf)
  }

  settle({ now, items }: SettleRequest): SettleAnswer[] {
    this.now = now
    return items.map((item) => this.settleOne(item, now))
  }

  settleOne(item: SettleItem, now: number): SettleAnswer {
    const record = this.occurrences.get(item.id)
    if (record === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
    const verdict = judgeSettle(record, item)
    if (verdict === 'lost') return { outcome: 'lost', state: record.state, token: record.token }
    const cancelRequested = record.cancelRequest?.reason ?? null
    const taker = item.change.kind === 'finish' ? item.takeNext : undefined
    if (verdict === 'repeated') return this.answerRepeated(item, cancelRequested)
    const woken = this.applySettle(record, item, now)
    const taken = woken === null || taker === undefined ? null : this.takeWoken(woken, taker, now)
    return taken === null
      ? { outcome: 'ok', woken, cancelRequested }
      : { outcome: 'ok', woken: this.wokenToo, cancelRequested, taken }
  }

  answerRepeated({ change, takeNext }: SettleItem, cancelRequested: string | null): SettleAnswer {
    const mayHaveTaken = change.kind === 'finish' && takeNext !== undefined
    return { outcome: 'ok', woken: null, cancelRequested, ...(mayHaveTaken && { repeated: true }) }
  }

  /**
   * Makes `taker` the owner of an occurrence that was just woken, and returns the occurrence. Returns `null` if no claim could
   * take the occurrence now, for example during a pause of its job.
   */
  takeWoken({ id }: OccurrenceAddress, taker: Owner, now: number): OccurrenceRecord | null {
    const record = this.occurrences.get(id)
    if (record === undefined || this.claimableFrom(record) > now) return null
    const { jobId } = record
    const others = this.liveOf(jobId, 'pending').filter((pending) => pending.id !== id && !this.isDelayed(pending))
    if (this.hasStartRate(jobId) && others.length > 0) return null
    const taken = claimed(record, taker, now)
    this.put(taken)
    if (this.hasStartRate(jobId)) {
      this.noteStart(jobId)
      this.wokenToo = this.wakeBehind(jobId)
    }
    return taken
  }

  applySettle(record: OccurrenceRecord, { change, runs, sequence }: SettleItem, now: number): OccurrenceAddress | null {
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

  rescue(record: OccurrenceRecord, change: Parameters<typeof rescued>[1], now: number): OccurrenceRecord {
    return rescued(record, change, now)
  }

  cancel({ now, items }: CancelOccurrencesRequest): CancelAnswer[] {
    this.now = now
    return items.map((item) => this.cancelOne(item, now))
  }

  cancelOne({ id, reason, actor, mode }: CancelItem, now: number): CancelAnswer {
    const record = this.occurrences.get(id)
    if (record === undefined) return { outcome: 'absent' }
    if (isFinal(record.state)) return { outcome: 'final', state: record.state }
    const request = { at: now, reason, actor }
    if (record.state === 'running' && mode === 'request') {
      this.put(askedToCancel(record, request))
      return { outcome: 'requested', token: record.token, owner: record.owner as Owner }
    }
    this.put(canceledBy(record, request, now))
    return { outcome: 'canceled', woken: this.wakeNext(record.jobId) }
  }

  reap({ now, items }: ReapRequest): ReapAnswer[] {
    this.now = now
    return items.map((item) => this.reapOne(item, now))
  }

  reapOne(item: ReapItem, now: number): ReapAnswer {
    const { id, sequence, runs, action, reason } = item
    const record = this.occurrences.get(id)
    if (record === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
    if (record.state !== 'running' || !isHeldBy(record, item) || record.sequence !== sequence) {
      return { outcome: 'lost', state: record.state, token: record.token }
    }
    const kept = withRuns(record, runs, sequence)
    if (action === 'fail') {
      this.put(ended(kept, 'failed_stale', reason, now))
      return { outcome: 'reaped', woken: this.wakeNext(record.jobId) }
    }
    this.put(this.rescue(kept, { reason, jobDeleted: this.isDeleted(record.jobId) }, now))
    return { outcome: 'reaped', woken: null }
  }
}

function createdAnswer(
  { state, token, reason }: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'>,
  displaced: OccurrenceAddress[] = [],
  cancelRequested: CancelNotice[] = [],
): CreateAnswer {
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

function noticeOf(record: OccurrenceRecord): CancelNotice {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? '' }
}
