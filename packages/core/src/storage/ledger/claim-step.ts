import type { OccurrenceRecord, Owner } from '../occurrence-record.ts'
import { claimed, ended, requeued } from '../occurrence-transitions.ts'
import { claimableFrom, isDelayed, isSuperseded, placesOf } from '../rules.ts'
import type { ClaimRequest } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { canceledInPassing, cancelSuperseded, replaceRecord, type StepContext, wakeFirst } from './step-context.ts'

/** What claims do besides taking what is due. */
export interface ClaimTally {
  /** How many occurrences they have canceled that deleted and replaced jobs had left. */
  left: number
  /** Whether one was woken in place of those, which may be due before others that were seen. */
  woke: boolean
  /** When the first pause ends of those that something was passed over for; infinite when none does. */
  resumesAt: number
}

/**
 * Starts one pending occurrence for the owner; `null` when another of its job runs, or one that has waited for its time
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
  const record = claimed(entry.record, owner, context.now)
  replaceRecord(context, job, entry, record)
  return record
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
