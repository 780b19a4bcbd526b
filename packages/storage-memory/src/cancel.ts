import {
  askedToCancel,
  type CancelAnswer,
  type CancelItem,
  type CancelOccurrencesRequest,
  canceledBy,
  ended,
  isFinal,
  type Owner,
  type ReapAnswer,
  type ReapItem,
  type ReapRequest,
  rescued,
  withRuns,
} from '@jobistemer/core/storage'
import { copyOwner, copyRuns } from './copy.ts'
import type { Database } from './database.ts'

export function cancel(database: Database, request: CancelOccurrencesRequest): readonly CancelAnswer[] {
  return request.items.map((item) => cancelOne(database, item, request.now))
}

function cancelOne(database: Database, item: CancelItem, now: number): CancelAnswer {
  const entry = database.occurrences.get(item.id)
  if (entry === undefined) return { outcome: 'absent' }
  const { record, job } = entry
  if (isFinal(record.state)) return { outcome: 'final', state: record.state }
  const request = { at: now, reason: item.reason, actor: item.actor }
  if (record.state === 'running' && item.mode === 'request') {
    database.replace(entry, askedToCancel(record, request))
    return { outcome: 'requested', token: record.token, owner: copyOwner(record.owner as Owner) }
  }
  database.replace(entry, canceledBy(record, request, now))
  return { outcome: 'canceled', woken: database.wakeNext(job) }
}

export function reap(database: Database, request: ReapRequest): readonly ReapAnswer[] {
  return request.items.map((item) => reapOne(database, item, request.now))
}

function reapOne(database: Database, item: ReapItem, now: number): ReapAnswer {
  const entry = database.occurrences.get(item.id)
  if (entry === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const { record, job } = entry
  if (record.state !== 'running' || record.token !== item.token || record.sequence !== item.sequence) {
    return { outcome: 'lost', state: record.state, token: record.token }
  }
  const kept = withRuns(record, copyRuns(item.runs), record.sequence)
  if (item.action === 'fail') {
    database.replace(entry, ended(kept, 'failed_stale', item.reason, now))
    return { outcome: 'reaped', woken: database.wakeNext(job) }
  }
  const { reason } = item
  database.replace(entry, rescued(kept, { reason, jobDeleted: job.head.deletedAt !== null }, now))
  return { outcome: 'reaped', woken: null }
}
