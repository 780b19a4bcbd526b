import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { OccurrenceQuery } from '../../storage/storage.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'

/** Returns the record of a recovery whose span contains the instant, or `null`. */
export async function coveringRecord(
  storage: StorageCalls,
  head: Pick<JobRecord, 'id'>,
  at: number,
): Promise<OccurrenceRecord | null> {
  // A missed range has the time of its first slot, and no other missed record lies inside it.
  const missed = await firstOf(storage, head, { to: at + 1, order: 'descending', states: ['missed'] }, () => true)
  if (missed !== null && holds(missed, at)) return missed
  return coveringRun(storage, head, at)
}

/** Returns the compressed run whose span contains the instant, or `null`. A compressed run stands for several slots. */
export async function coveringRun(
  storage: StorageCalls,
  head: Pick<JobRecord, 'id'>,
  at: number,
): Promise<OccurrenceRecord | null> {
  // A compressed run has the time of its last slot. Triggers, and slots that were canceled ahead, can lie before it.
  const run = await firstOf(storage, head, { from: at, order: 'ascending' }, ({ kind, state, details }) => {
    return kind === 'slot' && (state !== 'canceled' || details.span !== undefined)
  })
  return run !== null && holds(run, at) ? run : null
}

type HistoryPart = Pick<Extract<OccurrenceQuery, { readonly kind: 'job' }>, 'from' | 'to' | 'order' | 'states'>

/** Returns the first record of a part of a job's history for which `isWanted` is true, or `null`. */
export async function firstOf(
  storage: StorageCalls,
  head: Pick<JobRecord, 'id'>,
  part: HistoryPart,
  isWanted: (record: OccurrenceRecord) => boolean,
): Promise<OccurrenceRecord | null> {
  let cursor: string | null = null
  do {
    const page = await storage.once((calls) =>
      calls.listOccurrences({ kind: 'job', jobId: head.id, runs: true, limit: 20, cursor, ...part }),
    )
    const found = page.items.find(isWanted)
    if (found !== undefined) return found
    cursor = page.cursor
  } while (cursor !== null)
  return null
}

/** Returns whether the span of a record contains the instant. */
export function holds(record: Pick<OccurrenceRecord, 'details'>, at: number): boolean {
  const { span } = record.details
  return span !== undefined && span.from <= at && at <= span.to
}
