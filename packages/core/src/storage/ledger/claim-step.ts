import type { OccurrenceRecord, Owner } from '../occurrence-record.ts'
import { claimed, ended, requeued } from '../occurrence-transitions.ts'
import type { ClaimRequest } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { replaceRecord, type StepContext } from './step-context.ts'

/**
 * Starts one pending occurrence for the owner; `null` when another of its job runs: then it is queued again, and when its
 * job was deleted: then it is canceled.
 */
export function claimStep(
  context: StepContext,
  job: JobLedger,
  entry: LedgerEntry,
  owner: Owner,
): OccurrenceRecord | null {
  if (job.head.deletedAt !== null) {
    replaceRecord(context, job, entry, ended(entry.record, 'canceled', 'deleted', context.now))
    return null
  }
  if (job.head.overlap.policy !== 'allow' && job.counts.running > 0) {
    replaceRecord(context, job, entry, requeued(entry.record))
    return null
  }
  const record = claimed(entry.record, owner, context.now)
  replaceRecord(context, job, entry, record)
  return record
}

/** Whether a claim may take it, looked at again within the step that takes it. */
export function isClaimable(
  job: JobLedger,
  { record }: LedgerEntry,
  { now, exceptHandlerKeys }: Pick<ClaimRequest, 'now' | 'exceptHandlerKeys'>,
): boolean {
  const { paused, handlerKey } = job.head
  return record.state === 'pending' && record.dueAt <= now && paused === null && !exceptHandlerKeys.includes(handlerKey)
}
