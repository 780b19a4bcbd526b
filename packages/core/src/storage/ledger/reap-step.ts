import { ended, rescued, withRuns } from '../occurrence-transitions.ts'
import { isHeldBy } from '../rules.ts'
import type { ReapAnswer, ReapItem } from '../storage.ts'
import type { JobLedger } from './job-ledger.ts'
import { replaceRecord, type StepContext, wakeNext } from './step-context.ts'

/** One item of `reap`: takes an occurrence from an owner that does not settle it. */
export function reapStep(context: StepContext, job: JobLedger | undefined, item: ReapItem): ReapAnswer {
  const entry = job?.find(item)
  if (job === undefined || entry === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const { record } = entry
  const { state, token, sequence } = record
  if (state !== 'running' || !isHeldBy(record, item) || sequence !== item.sequence) {
    return { outcome: 'lost', state, token }
  }
  const kept = withRuns(record, item.runs, sequence)
  if (item.action === 'fail') {
    replaceRecord(context, job, entry, ended(kept, 'failed_stale', item.reason, context.now))
    return { outcome: 'reaped', woken: wakeNext(context, job) }
  }
  const jobDeleted = job.head.deletedAt !== null
  replaceRecord(context, job, entry, rescued(kept, { reason: item.reason, jobDeleted }, context.now))
  return { outcome: 'reaped', woken: null }
}
