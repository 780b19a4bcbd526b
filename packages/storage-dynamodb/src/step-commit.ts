import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import {
  compareOrder,
  isFinal,
  type JobRecord,
  type JobWrite,
  type LedgerStep,
  type OccurrenceAddress,
  type OccurrenceWrite,
  StepTooLarge,
} from '@jobistemer/core/storage'
import { type Item, number, sizeOf, text } from './attributes.ts'
import { carryOut } from './carry-out.ts'
import { fullHeadError, isTooLargeItem } from './dynamodb-errors.ts'
import { firstLookAt, headItem, headOf, type StoredHead, versionItem } from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import type { Keys } from './keys.ts'
import { waitingOf } from './live-list.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { planWrites } from './plan.ts'
import { loadJobs } from './query-jobs.ts'
import { checkStartable, commit, isTooLarge, putHead, type RecordWrite, remove, writesOf } from './record-writes.ts'
import { nameByKeys } from './reusable-keys.ts'
import { addressOf, loadOccurrences, type Table } from './table.ts'

/**
 * Writes the decisions of a step, if the data that it has read are unchanged. Otherwise it writes nothing, and returns false.
 *
 * A step that starts an occurrence, or changes a waiting one, writes the job's head on the condition of its revision. So the
 * steps of a job follow one another. There are two exceptions. A running occurrence changes and ends by a write to its own
 * item, while none is queued behind it (see {@link StoredOccurrence.marked}). If occurrences may overlap, they start without
 * knowing of each other.
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
    occurrences.map((change) => recordWrite(job, change, false)),
  )
  if (writes === null) return false
  if (step.isDivisible && isTooLarge(writes.items)) throw new StepTooLarge()
  return await commit(table, writes, checks)
}

async function commitWithHead(table: Table, job: JobReading, write: JobWrite, step: LedgerStep): Promise<boolean> {
  const changed = await headAfter(job, write)
  const records = recordsOf(job, write, changed)
  const others = [...jobWrites(table, write), ...nameByKeys(table, job, write.occurrences)]
  const writes = await writesOf(table, records)
  if (writes === null) return false
  const isPlanned = isTooLarge([...writes.items, ...others])
  if (isPlanned && step.isDivisible) throw new StepTooLarge()
  const plan = isPlanned ? planWrites(table, changed.id, records) : []
  const revision = write.before === null ? 0 : (job.head as StoredHead).revision
  const head = { ...changed, revision: revision + 1, planParts: plan.length }
  const withHead = [putHead(table, head, revision), ...plan, ...others]
  try {
    if (!(await (isPlanned ? table.requests.transact(withHead) : commit(table, writes, withHead)))) return false
  } catch (error) {
    if (!isFull(table, head, error)) throw error
    const refusals = table.refusals.get(head.id) ?? 0
    if (job.hasLooked || refusals % refusalsPerLook !== 0) {
      table.refusals.set(head.id, refusals + 1)
      throw await fullError(table, job, head, error)
    }
    // Many of the listed runs may have ended. The step stands: a final state never changes.
    await job.lookAtActive()
    return await commitWithHead(table, job, write, step)
  }
  table.refusals.delete(head.id)
  if (!isPlanned) return true
  await carryOut(table, head)
  step.outlived(await outlived(table, write))
  return true
}

/** Refused steps in a row after which one step checks which runs have ended. For a full list, that reads about 18,000 items. */
const refusalsPerLook = 50

/** Whether a write failed since the head has no room for all that it lists. */
function isFull({ keys }: Table, head: StoredHead, error: unknown): boolean {
  return isTooLargeItem(error) && sizeOf(headItem(keys, head)) >= nearlyFull
}

/** The failure for users: the job's name and the number of its live runs. */
async function fullError(table: Table, job: JobReading, head: StoredHead, error: unknown): Promise<unknown> {
  const [loaded] = await loadJobs(table, [head.id])
  const live = job.active.length + (job.head?.queued.length ?? 0)
  return fullHeadError({ job: loaded?.job.name ?? head.id, live }, error)
}

/** Not far below the 400 KB of an item, as its size is not known to the byte. */
const nearlyFull = 390_000

/** The head as the step leaves it, with the lists of what lives. */
async function headAfter(job: JobReading, { after, occurrences }: JobWrite): Promise<StoredHead> {
  const { head: before } = job
  const nothing = { revision: 0, active: [], queued: [], lookAt: firstLookAt, planParts: 0 }
  const head = after.job === null ? (after.head as StoredHead) : headOf(after.job, before ?? nothing)
  // If no step needs to know the active occurrences, the list of the head must not grow without end.
  const tidies = !job.hasLooked && head.active.length >= head.lookAt
  if (tidies) await job.lookAtActive()
  const changed = new Map(occurrences.map(({ after: record }) => [record.id, record]))
  const stay = <Entry extends OccurrenceAddress>(list: readonly Entry[]) => list.filter(({ id }) => !changed.has(id))
  const live = [...changed.values()].filter(({ state }) => !isFinal(state))
  const active = [...stay(job.active), ...live.filter(({ state }) => state !== 'queued').map(addressOf)]
  const queued = [...stay(head.queued), ...live.filter(({ state }) => state === 'queued').map(waitingOf)]
  const next = nextLookAt(job.active.length)
  const lookAt = tidies ? next : job.hasLooked ? Math.min(head.lookAt, next) : head.lookAt
  return { ...head, active, queued: queued.sort(compareOrder), lookAt }
}

/** Looks become rarer the more runs live. The last one comes before the list is full: then refused steps look. */
function nextLookAt(live: number): number {
  if (live >= mostActive) return neverLookAt
  return Math.max(firstLookAt, Math.min(2 * live, Math.ceil((live + mostActive) / 2)))
}

/** Approximate number of active occurrences that fit into a head without queued ones. */
const mostActive = 18_000
/** More than fit into an item. */
const neverLookAt = 99_999

/** The changes of the step. Running occurrences are marked if their end concerns other ones. */
function recordsOf(job: JobReading, { occurrences }: JobWrite, head: StoredHead): readonly RecordWrite[] {
  const marks = head.queued.length > 0 || head.deletedAt !== null
  const changed = new Set<OccurrenceId>(occurrences.map(({ after }) => after.id))
  const unmarked = [...job.records.values()].filter(
    ({ record, marked }) => marks && record.state === 'running' && !marked && !changed.has(record.id),
  )
  return [...occurrences, ...unmarked.map((before) => ({ before, after: before.record }))].map((change) =>
    recordWrite(job, change, marks),
  )
}

function recordWrite(job: JobReading, { before, after }: OccurrenceWrite, marks: boolean): RecordWrite {
  const stored = before as StoredOccurrence | null
  return {
    record: after,
    before: stored,
    marked: after.state === 'running' && (marks || stored?.marked === true),
    revision: stored?.revision ?? 0,
    staleAddress: job.staleAddresses.get(after.id) ?? null,
  }
}

/** Those of a large step that ran already when it took effect. */
async function outlived(table: Table, { occurrences }: JobWrite): Promise<ReadonlySet<OccurrenceId>> {
  const ends = occurrences.filter(({ before, after }) => before !== null && isFinal(after.state))
  const stored = await loadOccurrences(
    table,
    ends.map(({ after }) => after),
  )
  const others = ends.filter(({ after }, index) => (stored[index]?.record.state ?? after.state) !== after.state)
  return new Set(others.map(({ after }) => after.id))
}

/** The writes of a job's versions and of its place in the registry, for a step that changes the whole of it. */
function jobWrites(table: Table, { before, after: { job }, versions }: JobWrite): readonly TransactWriteItem[] {
  if (job === null) return []
  const { keys, requests } = table
  const put = (item: Item): TransactWriteItem => ({ Put: { TableName: requests.tableName, Item: item } })
  const writes = versions.map((version) => put(versionItem(keys, { ...job, ...version }, version.createdAt)))
  writes.push(put(registeredItem(keys, job)), put(changedItem(keys, job)))
  const changedAt = before?.job?.changedAt ?? job.changedAt
  if (changedAt !== job.changedAt) writes.push(remove(table, keys.changed(job.id, changedAt)))
  return writes
}

function registeredItem(keys: Keys, job: JobRecord): Item {
  const { pk, sk } = keys.registered(job.id)
  const item: Item = { pk: text(pk), sk: text(sk) }
  if (job.deletedAt !== null) item.d = number(job.deletedAt)
  return item
}

function changedItem(keys: Keys, job: JobRecord): Item {
  const { pk, sk } = keys.changed(job.id, job.changedAt)
  return { pk: text(pk), sk: text(sk) }
}
