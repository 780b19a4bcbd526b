import type { OccurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/**
 * Reads an occurrence that this incarnation has created and started, if the answer to that create was lost. Such a record
 * has token 1, sequence 0 and task runs, and this node still has to run it. Returns `null` for every other record. A
 * claimed occurrence has no task runs at first; the claimer receives it with the answer to its claim.
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
