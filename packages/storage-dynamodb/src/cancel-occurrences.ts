import {
  askedToCancel,
  type CancelAnswer,
  type CancelItem,
  type CancelOccurrencesRequest,
  canceledBy,
  ended,
  handedBack,
  isFinal,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type Owner,
  type ReapAnswer,
  type ReapItem,
  type ReapRequest,
  withRuns,
} from '@jobistemer/core/storage'
import { storeBulk } from './bulk.ts'
import { commitStep } from './carry-out.ts'
import { byJob, jobOf } from './in-order.ts'
import { occurrenceItem, type StoredOccurrence } from './occurrence-item.ts'
import { openStep } from './open-step.ts'
import { hasRevision } from './record-writes.ts'
import { contended, findOccurrence, type Table, untilDecided } from './table.ts'

export async function cancelOccurrences(
  table: Table,
  { items, now }: CancelOccurrencesRequest,
): Promise<readonly CancelAnswer[]> {
  return await byJob(items, jobOf, async (item) => {
    return await untilDecided(table, item.id, async () => await cancelOne(table, item, now))
  })
}

async function cancelOne(table: Table, item: CancelItem, now: number): Promise<CancelAnswer | typeof contended> {
  const stored = await findOccurrence(table, item)
  if (stored === null) return { outcome: 'absent' }
  const { record } = stored
  if (isFinal(record.state)) return { outcome: 'final', state: record.state }
  const request = { at: now, reason: item.reason, actor: item.actor }
  if (record.state === 'running' && item.mode === 'request') {
    const answer = { outcome: 'requested', token: record.token, owner: record.owner as Owner } as const
    if (record.cancelRequest !== null) return answer
    return (await replaceAlone(table, stored, askedToCancel(record, request))) ? answer : contended
  }
  const change = (known: OccurrenceRecord): OccurrenceRecord => canceledBy(known, request, now)
  const woken = await end(table, stored, change)
  return woken === contended ? contended : { outcome: 'canceled', woken }
}

export async function reapOccurrences(table: Table, { items, now }: ReapRequest): Promise<readonly ReapAnswer[]> {
  return await byJob(items, jobOf, async (item) => {
    return await untilDecided(table, item.id, async () => await reapOne(table, item, now))
  })
}

async function reapOne(table: Table, item: ReapItem, now: number): Promise<ReapAnswer | typeof contended> {
  const stored = await findOccurrence(table, item)
  if (stored === null) return { outcome: 'lost', state: 'absent', token: 0 }
  const { state, token, sequence } = stored.record
  if (state !== 'running' || token !== item.token || sequence !== item.sequence)
    return { outcome: 'lost', state, token }
  const { reason } = item
  const change = (record: OccurrenceRecord, jobDeleted: boolean): OccurrenceRecord => {
    const kept = withRuns(record, item.runs, sequence)
    if (item.action === 'fail') return ended(kept, 'failed_stale', reason, now)
    return handedBack(kept, { dueAt: record.dueAt, reason, jobDeleted }, now)
  }
  const woken = await end(table, stored, change)
  return woken === contended ? contended : { outcome: 'reaped', woken }
}

/**
 * Changes an occurrence as it was read, and wakes the next one where that ends it: alone when it runs and nobody has an
 * interest in its end, else with the head of its job.
 */
async function end(
  table: Table,
  stored: StoredOccurrence,
  change: (record: OccurrenceRecord, jobDeleted: boolean) => OccurrenceRecord,
): Promise<OccurrenceAddress | null | typeof contended> {
  const { record, revision, marked } = stored
  // What runs for a deleted job is marked.
  if (record.state === 'running' && !marked) {
    return (await replaceAlone(table, stored, change(record, false))) ? null : contended
  }
  const opened = await openStep(table, record)
  if (opened === contended || opened.stored?.revision !== revision) return contended
  const { step } = opened
  const changed = change(opened.stored.record, step.head.deletedAt !== null)
  step.replace(changed)
  const woken = isFinal(changed.state) ? await step.wakeNext() : null
  return (await commitStep(table, step)) ? woken : contended
}

/** Replaces a record that is as it was read. */
async function replaceAlone(
  table: Table,
  { revision, marked }: StoredOccurrence,
  record: OccurrenceRecord,
): Promise<boolean> {
  const stays = marked && record.state === 'running'
  const item = occurrenceItem(table.keys, { record, revision: revision + 1, marked: stays })
  return await table.requests.put({ Item: await storeBulk(table, item), ...hasRevision(revision) })
}
