import type { OccurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/**
 * The record of an occurrence that this very life of the node started by creating it, and of which it has said nothing
 * yet: the answer to its create got lost, and the occurrence is still to be run. `null` for every other one. What this
 * life claimed has no runs at first, and the answer to that claim is on its way to the claimer.
 */
export async function readOwnStart(
  { owner, storage }: EngineContext,
  id: OccurrenceId,
): Promise<OccurrenceRecord | null> {
  const { occurrences } = await storage.repeated('get', (calls) => calls.get({ occurrences: [id] }))
  const record = occurrences[0] ?? null
  if (record === null || record.state !== 'running') return null
  const isMine = record.owner?.node === owner.node && record.owner.incarnation === owner.incarnation
  return isMine && record.token === 1 && record.sequence === 0 && record.runs.length > 0 ? record : null
}
