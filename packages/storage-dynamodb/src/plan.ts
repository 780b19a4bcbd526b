import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import { json, number, parseJson, text } from './attributes.ts'
import type { StoredHead } from './job-item.ts'
import type { RecordWrite } from './record-writes.ts'
import type { Table } from './table.ts'

// A transaction has at most 100 items. A step that touches more occurrences (a recovery of hundreds of slots, the
// deletion of a job behind which hundreds wait) writes the new head together with a plan: the list of what is still to
// be written. From then on the step has happened. Whoever next comes to the head carries the plan out before anything
// else, should the one who made it have died.

// Well below 400 KB for each item and 4 MB for all: the records of a plan come without their bulk.
const recordsPerPart = 250

/** The items of a plan for these writes. */
export function planWrites(
  { keys, requests }: Table,
  job: JobId,
  records: readonly RecordWrite[],
): TransactWriteItem[] {
  return Array.from({ length: Math.ceil(records.length / recordsPerPart) }, (_, part) => {
    const { pk, sk } = keys.plan(job, part)
    const content = records.slice(part * recordsPerPart, (part + 1) * recordsPerPart).map(withoutBulk)
    const item = { pk: text(pk), sk: text(sk), lp: text(keys.planPartition), lo: number(part), j: json(content) }
    return { Put: { TableName: requests.tableName, Item: item } }
  })
}

/** What the plan of a job holds; `null` when it has been carried out. */
export async function readPlan({ keys, requests }: Table, head: StoredHead): Promise<readonly RecordWrite[] | null> {
  const places = Array.from({ length: head.planParts }, (_, part) => keys.plan(head.id, part))
  const found = await requests.getAll(places)
  const parts = places.map((place) => found.get(place)?.j)
  return parts.every((part) => part !== undefined) ? parts.flatMap((part) => parseJson<RecordWrite[]>(part)) : null
}

/** Details and runs of a stored record do not change while it waits: they are taken from there again. */
function withoutBulk(write: RecordWrite): RecordWrite {
  return write.revision === 0 ? write : { ...write, record: { ...write.record, details: {}, runs: [] } }
}
