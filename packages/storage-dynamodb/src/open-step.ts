import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { carryOut } from './carry-out.ts'
import { readHead, type StoredHead } from './job-item.ts'
import { JobStep } from './job-step.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import { contended, occurrenceIn, readItems, type Table } from './table.ts'

/** Begins a step on the job of an occurrence that exists, with both read together. */
export async function openStep(
  table: Table,
  address: OccurrenceAddress,
): Promise<{ readonly step: JobStep; readonly stored: StoredOccurrence | null } | typeof contended> {
  const { keys } = table
  const found = await readItems(table, [keys.head(address.jobId), keys.occurrence(address)])
  const item = found.get(keys.head(address.jobId))
  const head: StoredHead | null = item === null ? null : readHead(item)
  // A job keeps its head for as long as it has occurrences: this one was pruned, and its job after it.
  if (head === null) return contended
  if (head.planParts > 0) {
    await carryOut(table, head)
    return contended
  }
  const step = new JobStep(table, head)
  const stored = occurrenceIn(found, keys, address)
  if (stored !== null) step.know(stored)
  return { step, stored }
}
