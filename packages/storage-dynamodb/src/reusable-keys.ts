import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import { namingKey, type OccurrenceAddress, type OccurrenceWrite } from '@jobistemer/core/storage'
import { number, numberOf, text, textOf } from './attributes.ts'
import type { JobReading } from './job-reading.ts'
import { keyItem, type Keys, uuidOf } from './keys.ts'
import type { FoundItems } from './requests.ts'
import type { Table } from './table.ts'

// An item for each key that can be used again tells the key's last occurrence.

/** The last occurrence of a key; `null` when the key names none. */
export function namedIn(found: FoundItems, keys: Keys, keyId: OccurrenceId): OccurrenceAddress | null {
  const item = found.get(keys.reusableKey(keyId))
  if (item === null) return null
  return { id: `occ_${textOf(item, 'i')}`, jobId: `job_${textOf(item, 'j')}`, scheduledAt: numberOf(item, 't') }
}

/**
 * Lets the keys of new occurrences name them, if each still names what the step has read of it. A read of several items is not
 * one snapshot: the head may have come to its revision by another request of the key.
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

/** Frees a key that still names this occurrence. */
export async function freeKey({ requests, keys }: Table, keyId: OccurrenceId, id: OccurrenceId): Promise<void> {
  await requests.delete({ Key: keyItem(keys.reusableKey(keyId)), ...names(id) })
}

function names(id: OccurrenceId) {
  return { ConditionExpression: 'i = :i', ExpressionAttributeValues: { ':i': text(uuidOf(id)) } }
}
