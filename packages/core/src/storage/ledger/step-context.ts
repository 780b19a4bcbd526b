import { canceledByClaim, canceledInPassing, wokenAtOnce } from '../tuning.ts'
import type { JobId } from '../../ids.ts'
import type { JobRecord, JobVersionRecord } from '../job-record.ts'
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

// Each step changes occurrences only through the functions of this module, so that no step forgets a wake-up.

/** The context of one step: its instant, and the wake-ups to send once the step is stored. */
export interface StepContext {
  readonly now: number
  readonly wakeUps: Set<WakeUp['kind']>
  /** Stores a new job. */
  createJob(job: JobRecord, version: JobVersionRecord): void
  /**
   * For each job with a start rate: the occurrences that this step has woken after a start of the job, and that may start at
   * once.
   */
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

/** What a step did with the job's next queued occurrence when an occurrence ended: woke it, started it, or neither. */
export interface NextOne {
  readonly woken: OccurrenceAddress | null
  /** The occurrence that was taken and is now running for the owner; absent if no occurrence was taken. */
  readonly taken?: OccurrenceRecord
}

/** No queued occurrence was woken or taken. */
export const noNext: NextOne = Object.freeze({ woken: null })

/**
 * Wakes the job's next queued occurrences while places are free. Returns the address of the first one that it wakes. Cancels
 * superseded slots first. Never wakes occurrences of a deleted job.
 *
 * With an `owner`, the first of these occurrences becomes running for the owner, if it may start. Conditions of the start: the
 * occurrence is due, its job is not paused, and the job's start rate allows a start.
 */
export function wakeNext(context: StepContext, job: JobLedger, owner?: Owner): NextOne {
  if (job.counts.queued === 0 || job.head.deletedAt !== null) return noNext
  cancelSuperseded(context, job, canceledInPassing)
  const next = owner === undefined ? undefined : firstToWake(job)
  const isOpen = next !== undefined && claimableFrom(job.head, next.record.dueAt) <= context.now
  if (owner === undefined || !isOpen || !mayStart(context, job)) return { woken: wakeFirst(context, job) }
  const taken = claimed(next.record, owner, context.now)
  replaceRecord(context, job, next, taken)
  noteStart(context, job)
  return { woken: wakeOne(context, job), taken }
}

/**
 * Works as {@link wakeNext}, but cancels no superseded slot: if the first queued occurrence is superseded, the function wakes
 * none.
 */
export function wakeFirst(context: StepContext, job: JobLedger): OccurrenceAddress | null {
  const first = wakeOne(context, job)
  // Under a start rate, each start wakes the next occurrence, so one woken occurrence suffices.
  if (hasStartRate(job)) return first
  for (let count = 1; first !== null && count < wokenAtOnce; count++) wakeOne(context, job)
  return first
}

/** Works as {@link wakeFirst}, but wakes at most one occurrence. */
export function wakeOne(context: StepContext, job: JobLedger): OccurrenceAddress | null {
  const next = firstToWake(job)
  if (next === undefined) return null
  const { record } = next
  replaceRecord(context, job, next, inTime(context, job, woken(record)))
  return addressOf(record)
}

function firstToWake(job: JobLedger): LedgerEntry | undefined {
  const { pending, delayed, queued, running } = job.counts
  const active = pending - delayed + running
  const { maxConcurrency = 1 } = job.head.overlap
  if (queued === 0 || active >= maxConcurrency || job.head.deletedAt !== null) return undefined
  const [next] = job.live('queued', 1)
  return next === undefined || isSuperseded(job.head, next.record) ? undefined : next
}

function hasStartRate({ head }: JobLedger): boolean {
  return head.overlap.startRate !== undefined
}

/**
 * Returns whether a step other than a claim may start an occurrence of the job. Always true without a start rate. Under a start
 * rate, true if both conditions are met:
 * - The start rate allows a start now.
 * - All pending occurrences of the job are delayed. Other pending occurrences would start first.
 */
export function mayStart({ now }: StepContext, job: JobLedger): boolean {
  if (!hasStartRate(job)) return true
  const { pending, delayed } = job.counts
  return pending === delayed && nextStartAt(job.head) <= now
}

/** Records a start of the job. Each step that starts an occurrence must call `noteStart`. */
export function noteStart({ now }: StepContext, job: JobLedger): void {
  if (hasStartRate(job)) job.change({ starts: startsAfter(job.head, now) })
}

/**
 * Returns the record to store for an occurrence that becomes pending. The start rate may hold the occurrence back until the
 * next allowed start.
 */
export function inTime({ now }: StepContext, job: JobLedger, record: OccurrenceRecord): OccurrenceRecord {
  if (record.state !== 'pending' || isDelayed(record)) return record
  const from = nextStartAt(job.head)
  return from > now && from > record.dueAt ? heldBack(record, from) : record
}

/**
 * Applies a changed start rate to occurrences that were held back by the previous rate. Such an occurrence is then held back by
 * the present rate, or becomes due at once.
 */
export function letGoHeld(context: StepContext, job: JobLedger): void {
  for (const entry of liveOf(job, 'pending')) {
    if (entry.record.reason !== startRateReason) continue
    replaceRecord(context, job, entry, inTime(context, job, letGo(entry.record, context.now)))
    context.wakeUps.add('due')
  }
}

/**
 * Repairs a job with queued occurrences. If no occurrence is active, wakes the next queued occurrence. Cancels some superseded
 * slots, or some waiting occurrences of a deleted job. Returns whether a later step must cancel further occurrences of the job.
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
  // The ledger may name jobs that need no repair, so check the counts again.
  if (hadSuperseded || !isActive) wakeFirst(context, job)
  return job.head.cancelsBelow !== null && canceled.length > 0
}

/** Makes all queued occurrences of the job pending. */
export function wakeAll(context: StepContext, job: JobLedger): void {
  for (const entry of job.live('queued', Number.POSITIVE_INFINITY)) {
    replaceRecord(context, job, entry, woken(entry.record))
  }
}

/** Returns whether any occurrence of the job is pending or queued. */
export function hasWaiting({ counts }: JobLedger): boolean {
  return counts.pending > 0 || counts.queued > 0
}

/** Cancels up to `limit` waiting occurrences of a deleted job. */
export function cancelLeft(context: StepContext, job: JobLedger, limit: number): readonly OccurrenceAddress[] {
  return hasWaiting(job) ? cancelAll(context, job, waitingOf(job, limit), 'deleted') : []
}

/** Cancels up to `limit` superseded slots, and clears `cancelsBelow` after the last superseded slot. */
export function cancelSuperseded(context: StepContext, job: JobLedger, limit: number): readonly OccurrenceAddress[] {
  if (job.head.cancelsBelow === null) return []
  // Read one slot more than the limit to find out whether some slots remain.
  const pending = job.superseded('pending', limit + 1)
  const queued = pending.length > limit ? [] : job.superseded('queued', limit + 1 - pending.length)
  const found = [...pending, ...queued]
  const canceled = cancelAll(context, job, found.slice(0, limit), 'updated')
  if (found.length <= limit) {
    job.change({ cancelsBelow: null })
    if (wakesAllQueued(job.head)) wakeAll(context, job)
  }
  return canceled
}

/**
 * Returns up to `limit` waiting occurrences of the job, in the order in which they would start: pending occurrences first, then
 * queued ones.
 */
export function waitingOf(job: JobLedger, limit: number = Number.POSITIVE_INFINITY): readonly LedgerEntry[] {
  const pending = liveOf(job, 'pending', limit)
  const queued = pending.length < limit ? liveOf(job, 'queued', limit - pending.length) : []
  return [...pending, ...queued].sort((left, right) => compareOrder(left.record, right.record))
}

function liveOf(job: JobLedger, state: LiveState, limit: number = Number.POSITIVE_INFINITY): readonly LedgerEntry[] {
  return job.counts[state] === 0 ? [] : job.live(state, limit)
}

/** Cancels waiting occurrences. Wakes no other occurrences. */
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

/** Stores a cancel request for each running occurrence of the job. */
export function askAllToCancel(context: StepContext, job: JobLedger): readonly CancelNotice[] {
  const request = { at: context.now, reason: 'displaced', actor: null }
  return liveOf(job, 'running').map((entry) => {
    const asked = askedToCancel(entry.record, request)
    if (asked !== entry.record) replaceRecord(context, job, entry, asked)
    return cancelNoticeOf(asked)
  })
}

/** Returns the notice for the owner of a running occurrence with a cancel request. */
export function cancelNoticeOf(record: OccurrenceRecord): CancelNotice {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? 'canceled' }
}

/** Returns the address of a record, without its other members. */
export function addressOf({ id, jobId, scheduledAt }: OccurrenceAddress): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}

/**
 * Compares two addresses by time, ties by id: the order of history. Waiting occurrences have another order, see `compareOrder`.
 */
export function compareAddresses(
  left: Pick<OccurrenceAddress, 'scheduledAt'> & { readonly id: string },
  right: typeof left,
): number {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}
