import { finished, handedBack, withRuns } from '../occurrence-transitions.ts'
import { judgeSettle } from '../rules.ts'
import type { SettleAnswer, SettleItem } from '../storage.ts'
import type { JobLedger, LedgerEntry } from './job-ledger.ts'
import { type NextOne, replaceRecord, type StepContext, takeNext, wakeNext } from './step-context.ts'

const nothingWoken: NextOne = Object.freeze({ woken: null })

/** One item of `settle`. */
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
    case 'apply':
      return { outcome: 'ok', ...apply(context, job, entry, item), cancelRequested }
  }
}

function apply(context: StepContext, job: JobLedger, entry: LedgerEntry, item: SettleItem): NextOne {
  const { record } = entry
  const { change, runs, sequence } = item
  switch (change.kind) {
    case 'progress':
      replaceRecord(context, job, entry, withRuns(record, runs, sequence))
      return nothingWoken
    case 'finish': {
      const { state, reason } = change
      replaceRecord(context, job, entry, finished(record, { state, reason, runs, sequence }, context.now))
      if (item.takeNext !== undefined) return takeNext(context, job, item.takeNext)
      return { woken: wakeNext(context, job) }
    }
    case 'release': {
      const { dueAt, reason } = change
      const jobDeleted = job.head.deletedAt !== null
      const kept = withRuns(record, runs, sequence)
      replaceRecord(context, job, entry, handedBack(kept, { dueAt, reason, jobDeleted }, context.now))
      return nothingWoken
    }
  }
}
