import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import { isFinal, type JobWrite, type LedgerStep, type OccurrenceWrite, StepTooLarge } from '@jobistemer/core/storage'
import { type Item, number } from './attributes.ts'
import { carryOut } from './carry-out.ts'
import { headOf, type StoredHead, versionItem } from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import { keyItem } from './keys.ts'
import { listsAfter } from './live-lists.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { planWrites } from './plan.ts'
import {
  checkStartable,
  commit,
  isTooLarge,
  putHead,
  type QueueMoves,
  type RecordWrite,
  recordWrite,
  remove,
  writesOf,
} from './record-writes.ts'
import { nameByKeys } from './reusable-keys.ts'
import { loadOccurrences, type Table } from './table.ts'

/**
 * Writes the decisions of a step if the data that the step has read are unchanged. Otherwise writes nothing and returns false.
 *
 * A step that starts an occurrence, or changes a waiting one, writes the job's head on the condition of its revision. So the
 * steps of a job follow one another. There are two exceptions. A running occurrence changes and ends by a write to its own
 * item, while no occurrence is queued behind it (see {@link StoredOccurrence.marked}). If occurrences may overlap, their starts
 * do not write the head.
 */
export async function commitStep(table: Table, job: JobReading, write: JobWrite, step: LedgerStep): Promise<boolean> {
  const { before, after, occurrences } = write
  if (before !== null && after.head === before.head) {
    if (occurrences.every(concernsNobody)) return await commitBesideHead(table, job, write, step, [])
    if (before.head.overlap.policy === 'allow' && occurrences.every(starts)) {
      return await commitBesideHead(table, job, write, step, [checkStartable(table, job.head as StoredHead)])
    }
  }
  return await commitWithHead(table, job, write, step)
}

function concernsNobody({ before, after }: OccurrenceWrite): boolean {
  if (before?.record.state !== 'running') return false
  return after.state === 'running' || !(before as StoredOccurrence).marked
}

function starts({ before, after }: OccurrenceWrite): boolean {
  return before?.record.state === 'pending' && after.state === 'running'
}

async function commitBesideHead(
  table: Table,
  job: JobReading,
  { occurrences }: JobWrite,
  step: LedgerStep,
  checks: readonly TransactWriteItem[],
): Promise<boolean> {
  const writes = await writesOf(
    table,
    occurrences.map((change) => recordWrite(job, change, { marks: false })),
  )
  if (writes === null) return false
  if (step.isDivisible && isTooLarge(writes.items)) throw new StepTooLarge()
  return await commit(table, writes, checks)
}

async function commitWithHead(table: Table, job: JobReading, write: JobWrite, step: LedgerStep): Promise<boolean> {
  const { after, occurrences } = write
  const before = after.job === null ? (after.head as StoredHead) : headOf(after.job, job.head)
  const { lists, moves, writes: ofLists } = await listsAfter(table, job, before, occurrences)
  const changed = { ...before, ...lists }
  const records = recordsOf(job, write, changed, moves)
  const others = [...ofLists, ...jobWrites(table, write), ...nameByKeys(table, job, occurrences)]
  const writes = await writesOf(table, records)
  if (writes === null) return false
  const isPlanned = isTooLarge([...writes.items, ...others])
  if (isPlanned && step.isDivisible) throw new StepTooLarge()
  const plan = isPlanned ? planWrites(table, changed.id, records) : []
  const revision = write.before === null ? 0 : (job.head as StoredHead).revision
  const head = { ...changed, revision: revision + 1, planParts: plan.length }
  const withHead = [putHead(table, head, revision), ...plan, ...others]
  if (!isPlanned) return await commit(table, writes, withHead)
  if (!(await table.requests.transact(withHead))) return false
  await carryOut(table, head)
  step.outlived(await outlived(table, write))
  return true
}

/**
 * Builds the writes of the step's changes. If the job has queued occurrences or is deleted, also marks its running
 * occurrences, so that their ends write the head.
 */
function recordsOf(
  job: JobReading,
  { occurrences }: JobWrite,
  head: StoredHead,
  moves: QueueMoves,
): readonly RecordWrite[] {
  const marks = head.queued.length > 0 || head.deletedAt !== null
  const changed = new Set<OccurrenceId>(occurrences.map(({ after }) => after.id))
  const unmarked = [...job.records.values()].filter(
    ({ record, marked }) => marks && record.state === 'running' && !marked && !changed.has(record.id),
  )
  return [...occurrences, ...unmarked.map((before) => ({ before, after: before.record }))].map((change) =>
    recordWrite(job, change, { marks, moves }),
  )
}

/** Returns the occurrences that a large step was to end, but that another node had started before the step took effect. */
async function outlived(table: Table, { occurrences }: JobWrite): Promise<ReadonlySet<OccurrenceId>> {
  const ends = occurrences.filter(({ before, after }) => before !== null && isFinal(after.state))
  const stored = await loadOccurrences(
    table,
    ends.map(({ after }) => after),
  )
  const others = ends.filter(({ after }, index) => (stored[index]?.record.state ?? after.state) !== after.state)
  return new Set(others.map(({ after }) => after.id))
}

/** Returns the writes of a job's versions and registry entry, for a step that changes the job itself. */
function jobWrites(table: Table, { before, after: { job }, versions }: JobWrite): readonly TransactWriteItem[] {
  if (job === null) return []
  const { keys, requests } = table
  const put = (item: Item): TransactWriteItem => ({ Put: { TableName: requests.tableName, Item: item } })
  const writes = versions.map((version) => put(versionItem(keys, { ...job, ...version }, version.createdAt)))
  const registered: Item = keyItem(keys.registered(job.id))
  if (job.deletedAt !== null) registered.d = number(job.deletedAt)
  writes.push(put(registered), put(keyItem(keys.changed(job.id, job.changedAt))))
  const changedAt = before?.job?.changedAt ?? job.changedAt
  if (changedAt !== job.changedAt) writes.push(remove(table, keys.changed(job.id, changedAt)))
  return writes
}
