import {
  askedToCancel,
  type CancelAnswer,
  type CancelItem,
  type CancelOccurrencesRequest,
  canceledBy,
  ended,
  handedBack,
  isFinal,
  type Owner,
  type ReapAnswer,
  type ReapItem,
  type ReapRequest,
  withRuns,
} from '@jobistemer/core/storage'
import type { Ledger } from './ledger.ts'

export function cancelOccurrences(ledger: Ledger, { items, now }: CancelOccurrencesRequest): readonly CancelAnswer[] {
  return items.map((item) => cancelOne(ledger, item, now))
}

function cancelOne(ledger: Ledger, item: CancelItem, now: number): CancelAnswer {
  const stored = ledger.find(item)
  if (stored === undefined) return { outcome: 'absent' }
  const { record, job } = stored
  if (isFinal(record.state)) return { outcome: 'final', state: record.state }
  const request = { at: now, reason: item.reason, actor: item.actor }
  if (record.state === 'running' && item.mode === 'request') {
    const asked = askedToCancel(record, request)
    if (asked !== record) ledger.replace(stored, asked, now)
    return { outcome: 'requested', token: record.token, owner: record.owner as Owner }
  }
  ledger.replace(stored, canceledBy(record, request, now), now)
  return { outcome: 'canceled', woken: ledger.wakeNext(job, now) }
}

export function reapOccurrences(ledger: Ledger, { items, now }: ReapRequest): readonly ReapAnswer[] {
  return items.map((item) => reapOne(ledger, item, now))
}

function reapOne(ledger: Ledger, item: ReapItem, now: number): ReapAnswer {
  const stored = ledger.find(item)
  if (stored === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const { record, job } = stored
  if (record.state !== 'running' || record.token !== item.token || record.sequence !== item.sequence) {
    return { outcome: 'lost', state: record.state, token: record.token }
  }
  const kept = withRuns(record, item.runs, record.sequence)
  const { reason } = item
  if (item.action === 'fail') {
    ledger.replace(stored, ended(kept, 'failed_stale', reason, now), now)
    return { outcome: 'reaped', woken: ledger.wakeNext(job, now) }
  }
  const jobDeleted = ledger.jobs.headAt(job)?.deleted === true
  ledger.replace(stored, handedBack(kept, { dueAt: record.dueAt, reason, jobDeleted }, now), now)
  return { outcome: 'reaped', woken: null }
}
