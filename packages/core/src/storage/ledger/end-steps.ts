import { isFinal, type Owner } from '../occurrence-record.ts'
import { askedToCancel, canceledBy, ended, rescued, withRuns, finished, handedBack } from '../occurrence-transitions.ts'
import type { CancelAnswer, CancelItem, ReapAnswer, ReapItem, SettleAnswer, SettleItem } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { settledAlone } from './ledger.ts'
import { type NextOne, noNext, replaceRecord, type StepContext, wakeNext } from './step-context.ts'
import { isHeldBy, judgeSettle } from '../rules.ts'

/** Executes one item of `cancel`: cancels the occurrence, or stores a cancel request for its owner. */
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
  return { outcome: 'canceled', woken: wakeNext(context, job).woken }
}

/** Executes one item of `reap`: takes an occurrence from an owner that did not settle it in time. */
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
    return { outcome: 'reaped', woken: wakeNext(context, job).woken }
  }
  const jobDeleted = job.head.deletedAt !== null
  replaceRecord(context, job, entry, rescued(kept, { reason: item.reason, jobDeleted }, context.now))
  return { outcome: 'reaped', woken: null }
}

/** Executes one item of `settle`: stores the progress, the end or the hand-back of an occurrence. */
export function settleStep(context: StepContext, job: JobLedger | undefined, item: SettleItem): SettleAnswer {
  const entry = job?.find(item)
  if (job === undefined || entry === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const { state, token, cancelRequest } = entry.record
  const cancelRequested = cancelRequest?.reason ?? null
  switch (judgeSettle(entry.record, item)) {
    case 'lost':
      return { outcome: 'lost', state, token }
    case 'repeated': {
      const mayHaveTaken = item.takeNext !== undefined && item.change.kind === 'finish'
      return { outcome: 'ok', woken: null, cancelRequested, ...(mayHaveTaken && { repeated: true }) }
    }
    case 'apply': {
      const next = apply(context, job, entry, item)
      const isAlone = next.woken === null && next.taken === undefined && cancelRequested === null
      return isAlone ? settledAlone : { outcome: 'ok', ...next, cancelRequested }
    }
  }
}

function apply(context: StepContext, job: JobLedger, entry: LedgerEntry, item: SettleItem): NextOne {
  const { record } = entry
  const { change, runs, sequence } = item
  switch (change.kind) {
    case 'progress':
      replaceRecord(context, job, entry, withRuns(record, runs, sequence))
      return noNext
    case 'finish':
      replaceRecord(
        context,
        job,
        entry,
        finished(record, { state: change.state, reason: change.reason, runs, sequence }, context.now),
      )
      return wakeNext(context, job, item.takeNext)
    case 'release': {
      const { dueAt, reason } = change
      const jobDeleted = job.head.deletedAt !== null
      const kept = withRuns(record, runs, sequence)
      replaceRecord(context, job, entry, handedBack(kept, { dueAt, reason, jobDeleted }, context.now))
      return noNext
    }
  }
}
