import type { OccurrenceAddress } from '../occurrence-record.ts'
import { finished, handedBack, withRuns } from '../occurrence-transitions.ts'
import { judgeSettle } from '../rules.ts'
import type { SettleAnswer, SettleItem } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { replaceRecord, type StepContext, wakeNext } from './step-context.ts'

/** What an owner says of one occurrence: one item of `settle`. */
export function settleStep(context: StepContext, job: JobLedger | undefined, item: SettleItem): SettleAnswer {
  const entry = job?.find(item)
  if (job === undefined || entry === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const { state, token, cancelRequest } = entry.record
  const verdict = judgeSettle(entry.record, item)
  if (verdict === 'lost') return { outcome: 'lost', state, token }
  const woken = verdict === 'apply' ? apply(context, job, entry, item) : null
  return { outcome: 'ok', woken, cancelRequested: cancelRequest?.reason ?? null }
}

function apply(
  context: StepContext,
  job: JobLedger,
  entry: LedgerEntry,
  { change, runs, sequence }: SettleItem,
): OccurrenceAddress | null {
  const { record } = entry
  switch (change.kind) {
    case 'progress':
      replaceRecord(context, job, entry, withRuns(record, runs, sequence))
      return null
    case 'finish': {
      const { state, reason } = change
      replaceRecord(context, job, entry, finished(record, { state, reason, runs, sequence }, context.now))
      return wakeNext(context, job)
    }
    case 'release': {
      const { dueAt, reason } = change
      const jobDeleted = job.head.deletedAt !== null
      const kept = withRuns(record, runs, sequence)
      replaceRecord(context, job, entry, handedBack(kept, { dueAt, reason, jobDeleted }, context.now))
      return null
    }
  }
}
