import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceAddress, OccurrenceRecord } from '@jobistemer/core/storage'
import { type Item, number } from './attributes.ts'
import { headItem, type StoredHead } from './job-item.ts'
import type { Key } from './keys.ts'
import { occurrenceItem } from './occurrence-item.ts'
import { keyItem } from './requests.ts'
import { addressItem, type Table } from './table.ts'

/** One record that a step writes. */
export interface RecordWrite {
  readonly record: OccurrenceRecord
  readonly marked: boolean
  /** That the write is conditional on; 0 for a record that is created. */
  readonly revision: number
  /** An address of the same id that leads to nothing any more, which a creation replaces. */
  readonly staleAddress: OccurrenceAddress | null
}

/** Writes a head, if the stored one has the revision that was read; 0 for one that is new. */
export function putHead({ requests, keys }: Table, head: StoredHead, revision: number): TransactWriteItem {
  return { Put: { TableName: requests.tableName, Item: headItem(keys, head), ...hasRevision(revision) } }
}

export function checkHead({ requests, keys }: Table, head: StoredHead): TransactWriteItem {
  const condition = hasRevision(head.revision)
  return { ConditionCheck: { TableName: requests.tableName, Key: keyItem(keys.head(head.id)), ...condition } }
}

/** The writes of one record: a new one comes with its address. */
export function writesOf({ requests, keys }: Table, write: RecordWrite): readonly TransactWriteItem[] {
  const TableName = requests.tableName
  const { record, marked, revision, staleAddress } = write
  const item = occurrenceItem(keys, { record, marked, revision: revision + 1 })
  const put: TransactWriteItem = { Put: { TableName, Item: item, ...hasRevision(revision) } }
  if (revision > 0) return [put]
  const condition =
    staleAddress === null
      ? hasRevision(0)
      : {
          ConditionExpression: 'attribute_not_exists(pk) OR t = :t',
          ExpressionAttributeValues: { ':t': number(staleAddress.scheduledAt) },
        }
  return [put, { Put: { TableName, Item: addressItem(keys, record), ...condition } }]
}

export function remove({ requests }: Table, key: Key): TransactWriteItem {
  return { Delete: { TableName: requests.tableName, Key: keyItem(key) } }
}

/** The condition that an item is as it was read; 0 for one that was not there. */
export function hasRevision(revision: number): RevisionCondition {
  return revision === 0
    ? { ConditionExpression: 'attribute_not_exists(pk)' }
    : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': number(revision) } }
}

interface RevisionCondition {
  readonly ConditionExpression: string
  readonly ExpressionAttributeValues?: Item
}
