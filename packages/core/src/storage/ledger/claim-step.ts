import type { OccurrenceRecord, Owner } from '../occurrence-record.ts'
import { claimed, ended, heldBack, requeued } from '../occurrence-transitions.ts'
import { claimableFrom, compareOrder, isDelayed, isSuperseded, nextStartAt, placesOf } from '../rules.ts'
import type { ClaimRequest } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import {
  canceledInPassing,
  cancelSuperseded,
  noteStart,
  replaceRecord,
  type StepContext,
  wakeFirst,
  wakeOne,
} from './step-context.ts'

/** What claims do besides taking what is due. */
export interface ClaimTally {
  /** How many occurrences they have canceled that deleted and replaced jobs had left. */
  left: number
  /** Whether one was woken in place of those, or behind a start, which may be due before others that were seen. */
  woke: boolean
  /**
   * When the first pause ends of those that something was passed over for, or a start rate allows the first start that it
   * has not allowed yet; infinite when none does.
   */
  resumesAt: number
}

/**
 * Starts one pending occurrence for the owner, and wakes the next under a start rate, which may allow its start too; `null` when another of its job runs, or one that has waited for its time
 * finds another active: then it is queued again, and when its
 * job was deleted, or a `replace` has left it: then it is canceled, or others of its kind are that come before it.
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
    holdBack(context, job, entry, startsAt)
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

/** The first that the start rate does not let start waits for its time; others that have become due are queued behind it. */
function holdBack(context: StepContext, job: JobLedger, entry: LedgerEntry, until: number): void {
  context.heldJobs ??= new Set()
  const held = context.heldJobs
  const record = held.has(job.head.id) ? requeued(entry.record) : heldBack(entry.record, until)
  held.add(job.head.id)
  replaceRecord(context, job, entry, record)
}

function wakeBehind(context: StepContext, job: JobLedger, started: OccurrenceRecord, tally: ClaimTally): void {
  context.wokenBehind ??= new Map()
  const left = (context.wokenBehind.get(started.jobId) ?? []).filter(({ id }) => id !== started.id)
  context.wokenBehind.set(started.jobId, left)
  const address = wakeOne(context, job)
  const woken = address === null ? undefined : job.find(address)?.record
  if (woken === undefined) return
  // For a clock that is behind, its time has not come.
  const from = Math.max(nextStartAt(job.head), woken.dueAt)
  if (from > context.now) {
    tally.resumesAt = Math.min(tally.resumesAt, from)
    return
  }
  left.push(woken)
  tally.woke = true
}

/** Whether one that was woken meanwhile, and may start too, comes before it. */
function isOvertaking({ wokenBehind }: StepContext, { head }: JobLedger, { record }: LedgerEntry): boolean {
  return wokenBehind?.get(head.id)?.some((woken) => compareOrder(woken, record) < 0) === true
}

/**
 * A pending one has a place, unless it was delayed: then others may have taken them; or the job has got fewer places. */
function isBlocked({ head, counts }: JobLedger, { record }: LedgerEntry): boolean {
  const places = placesOf(head.overlap)
  const { pending, delayed, running } = counts
  return running >= places || (isDelayed(record) && pending - delayed + running >= places)
}

/** Whether a claim may take it, looked at again within the step that takes it. */
export function isClaimable(
  job: JobLedger,
  { record }: LedgerEntry,
  { now, exceptHandlerKeys }: Pick<ClaimRequest, 'now' | 'exceptHandlerKeys'>,
): boolean {
  const isDue = record.state === 'pending' && claimableFrom(job.head, record.dueAt) <= now
  return isDue && !exceptHandlerKeys.includes(job.head.handlerKey)
}
