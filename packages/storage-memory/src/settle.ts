import {
  finished,
  handedBack,
  judgeSettle,
  type OccurrenceAddress,
  type SettleAnswer,
  type SettleItem,
  type SettleRequest,
  withRuns,
} from '@jobistemer/core/storage'
import { copyRuns } from './copy.ts'
import type { Database } from './database.ts'
import type { OccurrenceEntry } from './entries.ts'

export function settle(database: Database, request: SettleRequest): readonly SettleAnswer[] {
  return request.items.map((item) => settleOne(database, item, request.now))
}

function settleOne(database: Database, item: SettleItem, now: number): SettleAnswer {
  const entry = database.occurrences.get(item.id)
  if (entry === undefined) return { outcome: 'lost', state: 'absent', token: 0 }
  const verdict = judgeSettle(entry.record, item)
  if (verdict === 'lost') return { outcome: 'lost', state: entry.record.state, token: entry.record.token }
  const woken = verdict === 'apply' ? apply(database, entry, item, now) : null
  return { outcome: 'ok', woken, cancelRequested: entry.record.cancelRequest?.reason ?? null }
}

function apply(database: Database, entry: OccurrenceEntry, item: SettleItem, now: number): OccurrenceAddress | null {
  const { change } = item
  const { job } = entry
  const { record } = entry
  const { sequence } = item
  const runs = copyRuns(item.runs)
  switch (change.kind) {
    case 'progress':
      database.replace(entry, withRuns(record, runs, sequence))
      return null
    case 'finish':
      database.replace(entry, finished(record, { state: change.state, reason: change.reason, runs, sequence }, now))
      return database.wakeNext(job)
    case 'release': {
      const kept = withRuns(record, runs, sequence)
      const { dueAt, reason } = change
      database.replace(entry, handedBack(kept, { dueAt, reason, jobDeleted: job.head.deletedAt !== null }, now))
      return null
    }
  }
}
