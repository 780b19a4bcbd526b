import { isFinal, type Owner } from '../occurrence-record.ts'
import { askedToCancel, canceledBy } from '../occurrence-transitions.ts'
import type { CancelAnswer, CancelItem } from '../storage.ts'
import type { JobLedger } from './job-ledger.ts'
import { replaceRecord, type StepContext, wakeNext } from './step-context.ts'

/** One item of `cancel`: cancels an occurrence, or stores a request for its owner. */
export function cancelStep(context: StepContext, job: JobLedger | undefined, item: CancelItem): CancelAnswer {
  const entry = job?.find(item)
  if (job === undefined || entry === undefined) return { outcome: 'absent' }
  const { record } = entry
  if (isFinal(record.state)) return { outcome: 'final', state: record.state }
  const request = { at: context.now, reason: item.reason, actor: item.actor }
  if (record.state === 'running' && item.mode === 'request') {
    const asked = askedToCancel(record, request)
    if (asked !== record) replaceRecord(context, job, entry, asked)
    return { outcome: 'requested', token: record.token, owner: record.owner as Owner }
  }
  replaceRecord(context, job, entry, canceledBy(record, request, context.now))
  return { outcome: 'canceled', woken: wakeNext(context, job) }
}
