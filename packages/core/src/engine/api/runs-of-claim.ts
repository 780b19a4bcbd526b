import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { definitionOf, endedByClaim, runsOfLeft } from '../execution/task-run-records.ts'

/**
 * The records, with the attempts that a claim stands for where nothing else is stored of them. Their handlers may have
 * begun before a cancel by force ended the occurrence, see decision 0012.
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
