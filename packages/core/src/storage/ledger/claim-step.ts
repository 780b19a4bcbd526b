import type { JobId, OccurrenceId } from '../../ids.ts'
import type { OccurrenceRecord, Owner } from '../occurrence-record.ts'
import { claimed, ended, heldBack, requeued } from '../occurrence-transitions.ts'
import { compareOrder, isDelayed, isSuperseded, nextStartAt, placesOf } from '../rules.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { canceledInPassing } from '../tuning.ts'
import { cancelSuperseded, noteStart, replaceRecord, type StepContext, wakeFirst, wakeOne } from './step-context.ts'

/**
 * Notes of the steps of one `claim` call: which occurrences the steps canceled, woke or held back, and when the next
 * occurrence can start.
 */
export interface ClaimTally {
  /** Number of occurrences of deleted and replaced jobs that the steps of this call canceled. */
  left: number
  /**
   * Whether this claim must read the due occurrences again. True if a step has woken an occurrence, because this occurrence may
   * precede occurrences that the claim has already read.
   */
  woke: boolean
  /**
   * Because of a pause or a start rate, this claim leaves out some occurrences. `resumesAt` is the earliest instant at which a
   * later claim may start one of these occurrences. Infinite if there are none.
   */
  resumesAt: number
  /** For each job with a start rate: the occurrence that this claim has held back until the next allowed start. */
  readonly heldBack: Map<JobId, OccurrenceId>
}

export function newTally(): ClaimTally {
  return { left: 0, woke: false, resumesAt: Number.POSITIVE_INFINITY, heldBack: new Map() }
}

/**
 * Starts a pending occurrence for the owner. Under a start rate, each start also wakes the next occurrence. Returns `null` if
 * the occurrence does not start:
 * - The job was deleted: the claim cancels the occurrence.
 * - The occurrence is superseded: the claim cancels superseded slots of the job in their order, up to a limit.
 * - The places of the job are taken: the occurrence is queued again.
 * - A woken occurrence precedes the occurrence: the occurrence stays pending.
 * - The start rate allows no start yet: the occurrence is held back. If this claim has held back another occurrence of the job,
 *   the given occurrence is queued again, after the other one.
 */
export function claimStep(
  context: StepContext,
  job: JobLedger,
  entry: LedgerEntry,
  owner: Owner,
  tally: ClaimTally,
): OccurrenceRecord | null {
  if (job.head.deletedAt !== null) {
    replaceRecord(context, job, entry, ended(entry.record, 'canceled', 'deleted', context.now))
    tally.left++
    return null
  }
  if (isSuperseded(job.head, entry.record)) {
    tally.left += cancelSuperseded(context, job, canceledInPassing).length
    if (wakeFirst(context, job) !== null) tally.woke = true
    return null
  }
  if (isBlocked(job, entry)) {
    replaceRecord(context, job, entry, requeued(entry.record))
    return null
  }
  if (isOvertaking(context, job, entry)) {
    tally.woke = true
    return null
  }
  const startsAt = nextStartAt(job.head)
  if (startsAt > context.now) {
    // The first occurrence of the job that this claim holds back stays pending until `startsAt`. Any other occurrence of the
    // job is queued again, after the first one. A repeated step holds back the same occurrence.
    const { id, jobId } = entry.record
    const first = tally.heldBack.get(jobId) ?? id
    tally.heldBack.set(jobId, first)
    replaceRecord(context, job, entry, first === id ? heldBack(entry.record, startsAt) : requeued(entry.record))
    tally.resumesAt = Math.min(tally.resumesAt, startsAt)
    return null
  }
  const record = claimed(entry.record, owner, context.now)
  replaceRecord(context, job, entry, record)
  if (job.head.overlap.startRate !== undefined) {
    noteStart(context, job)
    wakeBehind(context, job, record, tally)
  }
  return record
}

function wakeBehind(context: StepContext, job: JobLedger, started: OccurrenceRecord, tally: ClaimTally): void {
  context.wokenBehind ??= new Map()
  const left = (context.wokenBehind.get(started.jobId) ?? []).filter(({ id }) => id !== started.id)
  context.wokenBehind.set(started.jobId, left)
  const address = wakeOne(context, job)
  const woken = address === null ? undefined : job.find(address)?.record
  if (woken === undefined) return
  // The woken occurrence cannot start before `from`: the start rate must allow a start, and the occurrence must be due by this
  // node's clock.
  const from = Math.max(nextStartAt(job.head), woken.dueAt)
  if (from > context.now) {
    tally.resumesAt = Math.min(tally.resumesAt, from)
    return
  }
  left.push(woken)
  tally.woke = true
}

/** Returns whether this step has woken an occurrence that precedes the given occurrence and may start now. */
function isOvertaking({ wokenBehind }: StepContext, { head }: JobLedger, { record }: LedgerEntry): boolean {
  return wokenBehind?.get(head.id)?.some((woken) => compareOrder(woken, record) < 0) === true
}

/**
 * Returns whether the job has no free place for a pending occurrence. A pending occurrence usually holds a place. Exceptions:
 * the occurrence was delayed and other occurrences have taken the places, or the job's `maxConcurrency` was lowered.
 */
function isBlocked({ head, counts }: JobLedger, { record }: LedgerEntry): boolean {
  const places = placesOf(head.overlap)
  const { pending, delayed, running } = counts
  return running >= places || (isDelayed(record) && pending - delayed + running >= places)
}
