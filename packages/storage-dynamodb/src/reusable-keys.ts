import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import { namingKey, type OccurrenceAddress, type OccurrenceWrite } from '@jobistemer/core/storage'
import { number, numberOf, text, textOf } from './attributes.ts'
import type { JobReading } from './job-reading.ts'
import { keyItem, type Keys, uuidOf } from './keys.ts'
import type { FoundItems } from './requests.ts'
import type { Table } from './table.ts'

// The table has one item for each reusable key. The item contains the id, job and scheduled time of the last occurrence
// that was requested with the key.

/** Returns the address of a key's last occurrence; `null` if no occurrence has used the key. */
export function namedIn(found: FoundItems, keys: Keys, keyId: OccurrenceId): OccurrenceAddress | null {
  const item = found.get(keys.reusableKey(keyId))
  if (item === null) return null
  return { id: `occ_${textOf(item, 'i')}`, jobId: `job_${textOf(item, 'j')}`, scheduledAt: numberOf(item, 't') }
}

/**
 * Stores each new occurrence with a reusable key as the last occurrence of the key. Condition: the key still names the
 * occurrence that the step has read. The condition is needed because a read of several items is no snapshot: another request of
 * the key may have changed key and head between the reads.
 */
export function nameByKeys(
  { requests, keys }: Table,
  job: JobReading,
  occurrences: readonly OccurrenceWrite[],
): readonly TransactWriteItem[] {
  const named = new Map<OccurrenceId, OccurrenceAddress>()
  for (const { before, after } of occurrences) {
    const keyId = namingKey(after)
    if (before === null && keyId !== undefined) named.set(keyId, after)
  }
  return [...named].map(([keyId, { id, jobId, scheduledAt }]) => {
    const read = job.keys.get(keyId)
    return {
      Put: {
        TableName: requests.tableName,
        Item: {
          ...keyItem(keys.reusableKey(keyId)),
          i: text(uuidOf(id)),
          j: text(uuidOf(jobId)),
          t: number(scheduledAt),
        },
        ...(read === undefined ? { ConditionExpression: 'attribute_not_exists(pk)' } : names(read)),
      },
    }
  })
}

/** Removes the item of a reusable key if the item still names this occurrence. */
export async function freeKey({ requests, keys }: Table, keyId: OccurrenceId, id: OccurrenceId): Promise<void> {
  await requests.delete({ Key: keyItem(keys.reusableKey(keyId)), ...names(id) })
}

function names(id: OccurrenceId) {
  return { ConditionExpression: 'i = :i', ExpressionAttributeValues: { ':i': text(uuidOf(id)) } }
}
