import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { definitionOf, endedByClaim, runsOfLeft } from '../execution/task-run-records.ts'

/**
 * Adds first attempts to records that were claimed and then ended without a stored attempt. A claim announces the first
 * attempts, so their handlers may have begun before a forced cancel ended the occurrence. See decision 12.
 */
export async function withRunsOfClaim(
  storage: StorageCalls,
  records: readonly OccurrenceRecord[],
): Promise<readonly OccurrenceRecord[]> {
  const left = records.filter(endedByClaim)
  if (left.length === 0) return records
  const ids = left.map(({ jobId, jobVersion }) => ({ jobId, version: jobVersion }))
  const { versions } = await storage.once((calls) => calls.get({ versions: ids }))
  return records.map((record) => {
    const version = versions[left.indexOf(record)] ?? null
    return version === null ? record : { ...record, runs: runsOfLeft(record, definitionOf(version)) }
  })
}
