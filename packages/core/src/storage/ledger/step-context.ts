import { canceledByClaim, canceledInPassing, wokenAtOnce } from '../tuning.ts'
import type { JobId } from '../../ids.ts'
import type { LiveState, OccurrenceAddress, OccurrenceRecord, Owner } from '../occurrence-record.ts'
import { askedToCancel, claimed, ended, heldBack, letGo, startRateReason, woken } from '../occurrence-transitions.ts'
import {
  claimableFrom,
  compareOrder,
  isDelayed,
  isSuperseded,
  nextStartAt,
  startsAfter,
  wakesAllQueued,
} from '../rules.ts'
import type { CancelNotice, WakeUp } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'

// The common part of all steps. Each change of an occurrence goes through this module, so that no step misses a
// wake-up.

/** One step: its instant, and the wake-ups to send once it is stored. */
export interface StepContext {
  readonly now: number
  readonly wakeUps: Set<WakeUp['kind']>
  /** Jobs of which this step has made a pending occurrence wait because of the start rate. Created lazily. */
  heldJobs?: Set<JobId>
  /** By job with a start rate: occurrences that this step woke after a start and that may start at once. Created lazily. */
  wokenBehind?: Map<JobId, OccurrenceRecord[]>
}

export function createRecord(context: StepContext, job: JobLedger, record: OccurrenceRecord): void {
  job.create(record)
  if (record.state === 'pending') context.wakeUps.add('due')
}

export function replaceRecord(
  context: StepContext,
  job: JobLedger,
  entry: LedgerEntry,
  record: OccurrenceRecord,
): void {
  const { state, cancelRequest } = entry.record
  job.replace(entry, record)
  if (record.state === 'pending' && state !== 'pending') context.wakeUps.add('due')
  if (record.state === 'running' && record.cancelRequest !== cancelRequest) context.wakeUps.add('cancel')
}

/**
 * Wakes the job's next queued occurrences while places are free. Cancels superseded slots before them first. Never
 * wakes occurrences of a deleted job.
 */
export function wakeNext(context: StepContext, job: JobLedger): OccurrenceAddress | null {
  if (job.counts.queued === 0 || job.head.deletedAt !== null) return null
  cancelSuperseded(context, job, canceledInPassing)
  return wakeFirst(context, job)
}

/** The effect of an end on the next occurrence of the job. */
export interface NextOne {
  readonly woken: OccurrenceAddress | null
  /** The taken occurrence, now running for the owner; absent if none was taken. */
  readonly taken?: OccurrenceRecord
}

/** As {@link wakeNext}, but a due occurrence becomes running for this owner instead of pending, if the job is not paused. */
export function takeNext(context: StepContext, job: JobLedger, owner: Owner): NextOne {
  if (job.counts.queued === 0 || job.head.deletedAt !== null) return { woken: null }
  cancelSuperseded(context, job, canceledInPassing)
  const next = firstToWake(job)
  if (next === undefined) return { woken: null }
  const isOpen = claimableFrom(job.head, next.record.dueAt) <= context.now && mayStart(context, job)
  if (!isOpen) return { woken: wakeFirst(context, job) }
  const taken = claimed(next.record, owner, context.now)
  replaceRecord(context, job, next, taken)
  noteStart(context, job)
  return { woken: wakeOne(context, job), taken }
}

/** As {@link wakeNext}, but cancels no superseded occurrence: if the first queued occurrence is superseded, it wakes none. */
export function wakeFirst(context: StepContext, job: JobLedger): OccurrenceAddress | null {
  const first = wakeOne(context, job)
  // Under a start rate each start wakes another one.
  if (hasStartRate(job)) return first
  for (let count = 1; first !== null && count < wokenAtOnce; count++) wakeOne(context, job)
  return first
}

/** As {@link wakeFirst}, but wakes at most one occurrence. */
export function wakeOne(context: StepContext, job: JobLedger): OccurrenceAddress | null {
  const next = firstToWake(job)
  return next === undefined ? null : wake(context, job, next)
}

function firstToWake(job: JobLedger): LedgerEntry | undefined {
  const { pending, delayed, queued, running } = job.counts
  const active = pending - delayed + running
  const { maxConcurrency = 1 } = job.head.overlap
  if (queued === 0 || active >= maxConcurrency || job.head.deletedAt !== null) return undefined
  const [next] = job.live('queued', 1)
  return next === undefined || isSuperseded(job.head, next.record) ? undefined : next
}

function wake(context: StepContext, job: JobLedger, entry: LedgerEntry): OccurrenceAddress {
  const address = addressOf(entry.record)
  replaceRecord(context, job, entry, inTime(context, job, woken(entry.record)))
  return address
}

function hasStartRate({ head }: JobLedger): boolean {
  return head.overlap.startRate !== undefined
}

/** Whether a new occurrence, or one that a finish takes, may start. Under a start rate, pending occurrences start first. */
export function mayStart({ now }: StepContext, job: JobLedger): boolean {
  if (!hasStartRate(job)) return true
  const { pending, delayed } = job.counts
  return pending === delayed && nextStartAt(job.head) <= now
}

/** Records a start. Each start must call it. */
export function noteStart({ now }: StepContext, job: JobLedger): void {
  if (hasStartRate(job)) job.noteStarts(startsAfter(job.head, now))
}

/** The record to store for an occurrence that becomes pending: held back if the start rate allows no start yet. */
export function inTime({ now }: StepContext, job: JobLedger, record: OccurrenceRecord): OccurrenceRecord {
  if (record.state !== 'pending' || isDelayed(record)) return record
  const from = nextStartAt(job.head)
  return from > now && from > record.dueAt ? heldBack(record, from) : record
}

/** Reconsiders the occurrences that a previous start rate holds back. */
export function letGoHeld(context: StepContext, job: JobLedger): void {
  for (const entry of liveOf(job, 'pending')) {
    if (entry.record.reason !== startRateReason) continue
    replaceRecord(context, job, entry, inTime(context, job, letGo(entry.record, context.now)))
    context.wakeUps.add('due')
  }
}

/**
 * For a job with queued occurrences: wakes the next one if none is active, and cancels some occurrences of a deleted
 * job, or superseded slots. Returns whether more of those remain.
 */
export function tend(context: StepContext, job: JobLedger): boolean {
  if (job.head.deletedAt !== null) {
    cancelLeft(context, job, canceledByClaim)
    return hasWaiting(job)
  }
  const { pending, delayed, running } = job.counts
  const isActive = pending - delayed + running > 0
  const hadSuperseded = job.head.cancelsBelow !== null
  const canceled = cancelSuperseded(context, job, canceledByClaim)
  // The hint that named the job may be outdated; the end of an active occurrence wakes the next one.
  if (hadSuperseded || !isActive) wakeFirst(context, job)
  return job.head.cancelsBelow !== null && canceled.length > 0
}

/** Makes all queued occurrences of the job pending. */
export function wakeAll(context: StepContext, job: JobLedger): void {
  for (const entry of job.live('queued', Number.POSITIVE_INFINITY)) {
    replaceRecord(context, job, entry, woken(entry.record))
  }
}

/** Whether any occurrence of the job is pending or queued. */
export function hasWaiting({ counts }: JobLedger): boolean {
  return counts.pending > 0 || counts.queued > 0
}

/** Cancels up to `limit` waiting occurrences of a deleted job. */
export function cancelLeft(context: StepContext, job: JobLedger, limit: number): readonly OccurrenceAddress[] {
  return hasWaiting(job) ? cancelAll(context, job, waitingOf(job, limit), 'deleted') : []
}

/** Cancels up to `limit` superseded slots, and clears `cancelsBelow` after the last one. */
export function cancelSuperseded(context: StepContext, job: JobLedger, limit: number): readonly OccurrenceAddress[] {
  if (job.head.cancelsBelow === null) return []
  // Reads one more to find out whether some remain.
  const pending = job.superseded('pending', limit + 1)
  const queued = pending.length > limit ? [] : job.superseded('queued', limit + 1 - pending.length)
  const found = [...pending, ...queued]
  const canceled = cancelAll(context, job, found.slice(0, limit), 'updated')
  if (found.length <= limit) {
    job.endCancel()
    if (wakesAllQueued(job.head)) wakeAll(context, job)
  }
  return canceled
}

/** Up to `limit` pending and queued occurrences of the job, pending ones first, in the order in which they would start. */
export function waitingOf(job: JobLedger, limit: number = Number.POSITIVE_INFINITY): readonly LedgerEntry[] {
  const pending = liveOf(job, 'pending', limit)
  const queued = pending.length < limit ? liveOf(job, 'queued', limit - pending.length) : []
  return [...pending, ...queued].sort((left, right) => compareOrder(left.record, right.record))
}

function liveOf(job: JobLedger, state: LiveState, limit: number = Number.POSITIVE_INFINITY): readonly LedgerEntry[] {
  return job.counts[state] === 0 ? [] : job.live(state, limit)
}

/** Cancels waiting occurrences without waking others. */
export function cancelAll(
  context: StepContext,
  job: JobLedger,
  entries: readonly LedgerEntry[],
  reason: string,
): readonly OccurrenceAddress[] {
  return entries.map((entry) => {
    const address = addressOf(entry.record)
    replaceRecord(context, job, entry, ended(entry.record, 'canceled', reason, context.now))
    return address
  })
}

/** Stores a cancel request for all running occurrences of the job. */
export function askAllToCancel(context: StepContext, job: JobLedger): readonly CancelNotice[] {
  const request = { at: context.now, reason: 'displaced', actor: null }
  return liveOf(job, 'running').map((entry) => {
    const asked = askedToCancel(entry.record, request)
    if (asked !== entry.record) replaceRecord(context, job, entry, asked)
    return cancelNoticeOf(asked)
  })
}

/** The notice for a running occurrence with a cancel request. */
export function cancelNoticeOf(record: OccurrenceRecord): CancelNotice {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? 'canceled' }
}

/** The address of a record, without its other members. */
export function addressOf({ id, jobId, scheduledAt }: OccurrenceAddress): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}

/** The order of history: by time, ties by id. Waiting occurrences have another order, see `compareOrder`. */
export function compareAddresses(
  left: Pick<OccurrenceAddress, 'scheduledAt'> & { readonly id: string },
  right: typeof left,
): number {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}
