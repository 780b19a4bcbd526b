import { backfillOccurrenceId, type OccurrenceId, replayOccurrenceId } from '../../ids.ts'
import { type OccurrenceRecord, slotOf } from '../../storage/occurrence-record.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { itemsLikelyEnough, pageSize } from './tuning.ts'

/** Runs that may resolve a failure. They are numbered from 1, so their ids derive from the failure. */
interface Trail {
  readonly failure: OccurrenceRecord
  readonly idOf: (number: number) => OccurrenceId
  next: number
}

/** Returns the id of the original of a replay, also through replays of replays; for other occurrences, their own id. */
export function rootOf({ id, kind, details }: Pick<OccurrenceRecord, 'id' | 'kind' | 'details'>): OccurrenceId {
  return kind === 'replay' ? (details.root ?? details.replayOf ?? id) : id
}

/**
 * Returns the runs that resolve failures, by the ids of the failures: replays and runs of backfills that completed later.
 * Reads records by id, so the cost does not grow with the history.
 */
export async function resolutionsOf(
  storage: StorageCalls,
  failures: readonly OccurrenceRecord[],
): Promise<ReadonlyMap<OccurrenceId, OccurrenceId>> {
  const found = new Map<OccurrenceId, OccurrenceId>()
  let open = failures.flatMap(trailsOf)
  for (let numbers = 1; open.length > 0; numbers = itemsLikelyEnough) {
    const ids = open.flatMap(({ idOf, next }) => Array.from({ length: numbers }, (_, index) => idOf(next + index)))
    const occurrences = await read(storage, ids)
    open = open.filter((trail, index) => {
      const records = occurrences.slice(index * numbers, (index + 1) * numbers)
      const { failure } = trail
      const resolving = records.find((record) => record !== null && makesUpFor(record, failure))
      if (resolving != null) found.set(failure.id, resolving.id)
      trail.next += numbers
      return resolving == null && !records.includes(null)
    })
  }
  return found
}

async function read(
  storage: StorageCalls,
  ids: readonly OccurrenceId[],
): Promise<readonly (OccurrenceRecord | null)[]> {
  const records: (OccurrenceRecord | null)[] = []
  for (let start = 0; start < ids.length; start += pageSize) {
    const some = ids.slice(start, start + pageSize)
    records.push(...(await storage.once((calls) => calls.get({ occurrences: some }))).occurrences)
  }
  return records
}

function trailsOf(failure: OccurrenceRecord): Trail[] {
  const { jobId, kind, scheduledAt, details } = failure
  const root = rootOf(failure)
  const replays = { failure, idOf: (number: number) => replayOccurrenceId(root, number), next: 1 }
  const slot = slotOf(details) ?? scheduledAt
  const isOfSlot = details.span === undefined && (kind !== 'trigger' || details.backfill !== undefined)
  return isOfSlot
    ? [replays, { failure, idOf: (number) => backfillOccurrenceId(jobId, slot, number), next: 1 }]
    : [replays]
}

function makesUpFor({ state, finishedAt, kind, details }: OccurrenceRecord, failure: OccurrenceRecord): boolean {
  if (state !== 'completed' || (finishedAt ?? 0) < (failure.finishedAt ?? 0)) return false
  return details.isPartial !== true && (kind === 'replay' || details.tasks === undefined)
}
