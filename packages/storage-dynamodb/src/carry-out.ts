import type { OccurrenceId } from '@jobistemer/core'
import { ended, isFinal, type OccurrenceAddress, type OccurrenceRecord } from '@jobistemer/core/storage'
import type { StoredHead } from './job-item.ts'
import { JobStep } from './job-step.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { readPlan } from './plan.ts'
import { checkHead, type RecordWrite, remove, sizeOfWrites, writesOf } from './record-writes.ts'
import { transactionBytes, transactionLimit } from './requests.ts'
import { addressOf, loadOccurrences, type Table } from './table.ts'

/**
 * Commits a step and all that belongs to it. Answers the head as it was committed: one with a plan, which is carried out
 * by now, if the step was large. Answers `null`, and has written nothing, when it is to be decided anew.
 */
export async function commitStep(table: Table, step: JobStep): Promise<StoredHead | null> {
  const head = await step.commit()
  if (head !== null && head.planParts > 0) await carryOut(table, head)
  return head
}

/** What a plan was to end, but another node had claimed before the plan was there: it goes on. */
type Survivors = Map<OccurrenceId, OccurrenceAddress>

/** Writes what the plan of a job still holds, and takes the plan away. Several nodes may do so at once. */
export async function carryOut(table: Table, head: StoredHead): Promise<void> {
  const writes = await readPlan(table, head)
  if (writes === null) return
  const survivors: Survivors = new Map()
  for (let start = 0; start < writes.length; start += recordsPerTransaction) {
    if (!(await writeSome(table, head, writes.slice(start, start + recordsPerTransaction), survivors))) return
  }
  const step = new JobStep(table, { ...head, active: [...head.active, ...survivors.values()], planParts: 0 })
  for (let part = 0; part < head.planParts; part++) step.writes.push(remove(table, table.keys.plan(head.id, part)))
  // What ran may have ended before it was marked.
  await step.wakeNext()
  await step.commit()
}

// One that is created takes two items, and the head is checked with each transaction.
const recordsPerTransaction = Math.floor((transactionLimit - 1) / 2)

/** False when the plan was carried out by somebody else. */
async function writeSome(
  table: Table,
  head: StoredHead,
  wanted: readonly RecordWrite[],
  survivors: Survivors,
): Promise<boolean> {
  for (;;) {
    const left = await stillToWrite(table, head, wanted, survivors)
    if (left.length === 0) return true
    const writes = await writesOf(table, left)
    if (left.length > 1 && sizeOfWrites(writes) > transactionBytes) {
      const half = Math.ceil(left.length / 2)
      if (!(await writeSome(table, head, left.slice(0, half), survivors))) return false
      return await writeSome(table, head, left.slice(half), survivors)
    }
    if (await table.requests.transact([checkHead(table, head), ...writes])) return true
    const item = await table.requests.get(table.keys.head(head.id))
    if (item?.v?.N !== String(head.revision)) return false
  }
}

/** What is left of planned writes, as the records are now. */
async function stillToWrite(
  table: Table,
  head: StoredHead,
  writes: readonly RecordWrite[],
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
  write: RecordWrite,
  there: StoredOccurrence | null,
  survivors: Survivors,
): RecordWrite | null {
  const { record: wanted } = write
  if (there === null) return write.revision === 0 ? write : null
  const { record, revision, marked } = there
  const { details, runs, state } = record
  if (revision === write.revision) return { ...write, record: { ...wanted, details, runs } }
  if (write.revision === 0 || isFinal(state)) return null
  // Either this was written already, or something came between the reading and the plan that does not go through the
  // head: what may overlap was claimed, what ran was changed or handed back.
  const isClaimed = state === 'running' && record.token !== wanted.token
  const concerns = head.deletedAt !== null || head.queued.length > 0
  if (isFinal(wanted.state)) {
    if (!isClaimed) return anew(ended(record, wanted.state, wanted.reason, wanted.finishedAt as number))
    survivors.set(record.id, addressOf(record))
  } else if (wanted.state !== 'running') return null
  if (state !== 'running' && head.deletedAt !== null) {
    return anew(ended(record, 'canceled', 'deleted', head.deletedAt))
  }
  const cancelRequest = record.cancelRequest ?? wanted.cancelRequest
  const isMarked = state === 'running' && (marked || write.marked || concerns)
  if (isMarked === marked && cancelRequest === record.cancelRequest) return null
  return { ...anew({ ...record, cancelRequest }), marked: isMarked }

  function anew(changed: OccurrenceRecord): RecordWrite {
    return { record: changed, marked: false, revision, staleAddress: null }
  }
}
