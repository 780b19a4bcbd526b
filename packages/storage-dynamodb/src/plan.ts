import { gunzipSync, gzipSync } from 'node:zlib'
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { number, text } from './attributes.ts'
import type { StoredHead } from './job-item.ts'
import type { RecordWrite } from './record-writes.ts'
import type { Table } from './table.ts'
import { keyItem } from './keys.ts'

// A transaction has at most 100 items. A larger step writes the new head together with a plan, the list of the remaining
// writes. Examples are a recovery of hundreds of slots, and the deletion of a job with hundreds of waiting occurrences.
// When the plan is stored, the step has taken effect. If its node dies, the next step that reads the head carries the plan
// out first.

// Maximum size of one part of a plan, well below the 400 KB of an item. A plan contains the full data of new records, which
// may be more than one item holds.
const bytesPerPart = 300_000

/**
 * A record that a plan has still to write. For a record that is already stored, the plan contains no details and no
 * task runs.
 */
export interface PlannedWrite extends RecordWrite {
  /**
   * The details and task runs that the step changes in a stored record. Absent for a new record, and in plans that an
   * older version of the package has stored.
   */
  readonly changed?: Bulk
}

type Bulk = Partial<Pick<OccurrenceRecord, 'details' | 'runs'>>

/** Returns the plan items that store these writes. */
export function planWrites(
  { keys, requests }: Table,
  job: JobId,
  records: readonly RecordWrite[],
): TransactWriteItem[] {
  const bytes = gzipSync(JSON.stringify(records.map(withoutBulk)))
  return Array.from({ length: Math.ceil(bytes.length / bytesPerPart) }, (_, part) => {
    const content = { B: bytes.subarray(part * bytesPerPart, (part + 1) * bytesPerPart) }
    const item = { ...keyItem(keys.plan(job, part)), lp: text(keys.planPartition), lo: number(part), j: content }
    return { Put: { TableName: requests.tableName, Item: item } }
  })
}

/** Returns the writes of a large step that a job's stored plan contains; `null` if a node has carried out this plan. */
export async function readPlan({ keys, requests }: Table, head: StoredHead): Promise<readonly PlannedWrite[] | null> {
  const places = Array.from({ length: head.planParts }, (_, part) => keys.plan(head.id, part))
  const found = await requests.getAll(places)
  const parts = places.map((place) => found.get(place)?.j?.B)
  if (!parts.every((part) => part !== undefined)) return null
  return JSON.parse(gunzipSync(Buffer.concat(parts)).toString()) as readonly PlannedWrite[]
}

/**
 * Omits unchanged details and task runs from the plan. The node that carries out the plan reads these values again from
 * the stored record.
 */
function withoutBulk(write: RecordWrite): PlannedWrite {
  const { record, before, revision } = write
  if (revision === 0) return write
  const { details, runs } = record
  const changed: Bulk = {
    ...(before?.record.details !== details && { details }),
    ...(before?.record.runs !== runs && { runs }),
  }
  return { ...write, before: null, record: { ...record, details: {}, runs: [] }, changed }
}
