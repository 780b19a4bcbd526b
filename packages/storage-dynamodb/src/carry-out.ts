import type { OccurrenceId } from '@jobistemer/core'
import {
  addressOf,
  ended,
  isFinal,
  isSuperseded,
  type OccurrenceAddress,
  type OccurrenceRecord,
  withRuns,
  woken,
} from '@jobistemer/core/storage'
import type { StoredHead } from './job-item.ts'
import { JobReading } from './job-reading.ts'
import { listsAfter } from './live-lists.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { type PlannedWrite, readPlan } from './plan.ts'
import {
  checkHead,
  commit,
  isTooLarge,
  putHead,
  type RecordWrite,
  recordWrite,
  remove,
  writesOf,
} from './record-writes.ts'
import { groupsOf, transactionLimit } from './requests.ts'
import { contended, loadOccurrences, type Table, untilDecided } from './table.ts'

/**
 * Occurrences that a large step was to end, but that another node had claimed before the step's plan was stored. These
 * occurrences continue to run.
 */
type Survivors = Map<OccurrenceId, OccurrenceAddress>

/**
 * The stored plan of a job lists the writes of a large step that do not fit into one transaction. Makes these writes, then
 * removes the plan. Several nodes may carry out the same plan at once.
 */
export async function carryOut(table: Table, head: StoredHead): Promise<void> {
  const writes = await readPlan(table, head)
  if (writes === null) return
  const survivors: Survivors = new Map()
  for (const some of groupsOf(writes, recordsPerTransaction)) {
    if (!(await writeSome(table, head, some, survivors))) return
  }
  await takeAway(table, head, [...survivors.values()])
}

/**
 * Removes the plan of a large step. Wakes the next queued occurrence if no occurrence is active: running occurrences
 * that the plan had not marked yet end without waking it.
 */
async function takeAway(table: Table, stored: StoredHead, survivors: readonly OccurrenceAddress[]): Promise<void> {
  const head = { ...stored, active: [...stored.active, ...survivors] }
  const job = new JobReading(table, head.id, head)
  await job.readLive({ counts: head.queued.length > 0, pending: 0, queued: 1, running: 0, superseded: null })
  const { queued, running, pending, delayed } = job.counts
  const [first] = queued > 0 && running + pending === delayed ? (job.state().live.get(head.id)?.queued ?? []) : []
  const next = first === undefined || isSuperseded(head, first.record) ? undefined : first
  const plan = Array.from({ length: head.planParts }, (_, part) => remove(table, table.keys.plan(head.id, part)))
  const wakes = next === undefined ? [] : [{ before: next, after: woken(next.record) }]
  const { lists, moves, writes } = await listsAfter(table, job, head, wakes)
  const woke = await writesOf(
    table,
    wakes.map((change) => recordWrite(job, change, { marks: false, moves })),
  )
  if (woke === null) return
  const after = { ...head, ...lists, revision: head.revision + 1, planParts: 0 }
  await commit(table, woke, [putHead(table, after, head.revision), ...writes, ...plan])
}

// A new queued record takes three items of a transaction, and the check of the head takes one.
const recordsPerTransaction = Math.floor((transactionLimit - 1) / 3)

/**
 * Writes the records `wanted` of a large step's plan. Returns true when they are written, and false if another node has
 * carried out the plan.
 */
async function writeSome(
  table: Table,
  head: StoredHead,
  wanted: readonly PlannedWrite[],
  survivors: Survivors,
): Promise<boolean> {
  return await untilDecided(table, head.id, async () => {
    const left = await stillToWrite(table, head, wanted, survivors)
    if (left.length === 0) return true
    const writes = await writesOf(table, left)
    if (writes !== null && left.length > 1 && isTooLarge(writes.items)) {
      const half = Math.ceil(left.length / 2)
      if (!(await writeSome(table, head, left.slice(0, half), survivors))) return false
      return await writeSome(table, head, left.slice(half), survivors)
    }
    if (writes !== null && (await commit(table, writes, [checkHead(table, head)]))) return true
    // The write was rejected: another node has written the same records of the plan, or the owner of a running
    // occurrence has changed it.
    const item = await table.requests.get(table.keys.head(head.id))
    return item?.v?.N === String(head.revision) ? contended : false
  })
}

/** Returns the planned writes that are still needed, given the stored records. */
async function stillToWrite(
  table: Table,
  head: StoredHead,
  writes: readonly PlannedWrite[],
  survivors: Survivors,
): Promise<readonly RecordWrite[]> {
  const stored = await loadOccurrences(
    table,
    writes.map(({ record }) => record),
  )
  return writes.flatMap((write, index) => leftOf(head, write, stored[index] ?? null, survivors) ?? [])
}

function leftOf(
  head: StoredHead,
  write: PlannedWrite,
  there: StoredOccurrence | null,
  survivors: Survivors,
): RecordWrite | null {
  const { record: wanted, changed } = write
  if (there === null) return write.revision === 0 ? write : null
  const { record, revision, marked } = there
  const { details, runs, state } = record
  if (revision === write.revision) return { ...write, record: { ...wanted, details, runs, ...changed }, before: there }
  if (write.revision === 0 || isFinal(state)) return null
  // The stored revision differs from the planned one. Either a node has already made this write of the plan. Or another node
  // has written the record, without the head, after the step's read and before its plan was stored. That other write is a claim
  // of an overlapping occurrence, or a change or release of a running occurrence.
  const isClaimed = state === 'running' && record.token !== wanted.token
  const concerns = head.deletedAt !== null || head.queued.length > 0
  const said = withSaid(record, write)
  if (isFinal(wanted.state)) {
    if (!isClaimed) return anew(ended(said, wanted.state, wanted.reason, wanted.finishedAt as number))
    survivors.set(record.id, addressOf(record))
  } else if (wanted.state !== 'running') return null
  if (state !== 'running' && head.deletedAt !== null) {
    return anew(ended(record, 'canceled', 'deleted', head.deletedAt))
  }
  const cancelRequest = record.cancelRequest ?? wanted.cancelRequest
  const isMarked = state === 'running' && (marked || write.marked || concerns)
  if (isMarked === marked && cancelRequest === record.cancelRequest && said.sequence === record.sequence) return null
  return { ...anew({ ...said, cancelRequest }), marked: isMarked }

  function anew(next: OccurrenceRecord): RecordWrite {
    return { record: next, before: there, marked: false, revision, staleAddress: null }
  }
}

/** Adds the task runs of the planned step, unless the owner has stored later task runs since. */
function withSaid(record: OccurrenceRecord, { record: { token, sequence }, changed }: PlannedWrite): OccurrenceRecord {
  if (changed?.runs === undefined || token !== record.token || sequence < record.sequence) return record
  return withRuns(record, changed.runs, sequence)
}
