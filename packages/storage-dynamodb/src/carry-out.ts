import type { StoredHead } from './job-item.ts'
import { JobStep } from './job-step.ts'
import { readPlan } from './plan.ts'
import { checkHead, type RecordWrite, remove, sizeOfWrites, writesOf } from './record-writes.ts'
import { transactionBytes, transactionLimit } from './requests.ts'
import { loadOccurrences, type Table } from './table.ts'

/** Commits a step and all that belongs to it. Answers false, and has written nothing, when it is to be decided anew. */
export async function commitStep(table: Table, step: JobStep): Promise<boolean> {
  const head = await step.commit()
  if (head === null) return false
  if (head.planParts > 0) await carryOut(table, head)
  return true
}

/** Writes what the plan of a job still holds, and takes the plan away. Several nodes may do so at once. */
export async function carryOut(table: Table, head: StoredHead): Promise<void> {
  const writes = await readPlan(table, head)
  if (writes === null) return
  for (let start = 0; start < writes.length; start += recordsPerTransaction) {
    if (!(await writeSome(table, head, writes.slice(start, start + recordsPerTransaction)))) return
  }
  const step = new JobStep(table, { ...head, planParts: 0 })
  for (let part = 0; part < head.planParts; part++) step.writes.push(remove(table, table.keys.plan(head.id, part)))
  // What ran may have ended before it was marked.
  await step.wakeNext()
  await step.commit()
}

// One that is created takes two items, and the head is checked with each transaction.
const recordsPerTransaction = Math.floor((transactionLimit - 1) / 2)

/** False when the plan was carried out by somebody else. */
async function writeSome(table: Table, head: StoredHead, wanted: readonly RecordWrite[]): Promise<boolean> {
  for (;;) {
    const left = await stillToWrite(table, wanted)
    if (left.length === 0) return true
    const writes = await writesOf(table, left)
    if (left.length > 1 && sizeOfWrites(writes) > transactionBytes) {
      const half = Math.ceil(left.length / 2)
      if (!(await writeSome(table, head, left.slice(0, half)))) return false
      return await writeSome(table, head, left.slice(half))
    }
    if (await table.requests.transact([checkHead(table, head), ...writes])) return true
    const item = await table.requests.get(table.keys.head(head.id))
    if (item?.v?.N !== String(head.revision)) return false
  }
}

/** What is left of planned writes, as the records are now. */
async function stillToWrite(table: Table, writes: readonly RecordWrite[]): Promise<readonly RecordWrite[]> {
  const stored = await loadOccurrences(
    table,
    writes.map(({ record }) => record),
  )
  return writes.flatMap((write, index) => {
    const there = stored[index] ?? null
    if (there === null) return write.revision === 0 ? write : []
    const { details, runs } = there.record
    if (there.revision === write.revision) return { ...write, record: { ...write.record, details, runs } }
    // What waits changes by the head alone, so it was written already. What runs may have changed meanwhile, and what
    // the plan wants of it (a mark, a request to cancel) is added to that.
    const { record } = there
    if (record.state !== 'running' || write.record.state !== 'running' || record.token !== write.record.token) return []
    const cancelRequest = record.cancelRequest ?? write.record.cancelRequest
    if (there.marked === write.marked && cancelRequest === record.cancelRequest) return []
    return { ...write, record: { ...record, cancelRequest }, revision: there.revision }
  })
}
