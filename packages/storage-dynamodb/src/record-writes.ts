import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceAddress, OccurrenceRecord } from '@jobistemer/core/storage'
import { type Item, json, number, sizeOf, text } from './attributes.ts'
import { storeBulk } from './bulk.ts'
import { headItem, headNames, type StoredHead } from './job-item.ts'
import type { Key } from './keys.ts'
import { levelOf, occurrenceItem } from './occurrence-item.ts'
import { keyItem, transactionBytes, transactionLimit } from './requests.ts'
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

/** The condition that a job whose occurrences may overlap still lets them start; its head may have changed otherwise. */
export function checkStartable({ requests, keys }: Table, head: StoredHead): TransactWriteItem {
  const { policy, paused, pausedUntil, planParts, handlerKey, cancelsBelow } = headNames
  const values: Item = { ':allow': text('allow'), ':handlerKey': json(head.handlerKey) }
  const conditions = [`${policy} = :allow`, `attribute_not_exists(${planParts})`, `${handlerKey} = :handlerKey`]
  // One that is there is over, by the time of the step.
  if (head.paused === null) conditions.push(`attribute_not_exists(${paused})`)
  else {
    conditions.push(`${pausedUntil} = :pausedUntil`)
    values[':pausedUntil'] = number(head.paused.until ?? 0)
  }
  // A change that cancels what waits must not be followed by the start of one of those.
  if (head.cancelsBelow === null) conditions.push(`attribute_not_exists(${cancelsBelow})`)
  else {
    conditions.push(`${cancelsBelow} = :cancelsBelow`)
    values[':cancelsBelow'] = number(head.cancelsBelow)
  }
  return {
    ConditionCheck: {
      TableName: requests.tableName,
      Key: keyItem(keys.head(head.id)),
      ConditionExpression: conditions.join(' AND '),
      ExpressionAttributeValues: values,
    },
  }
}

/** The writes of these records: a new one comes with its address. */
export async function writesOf(table: Table, writes: readonly RecordWrite[]): Promise<readonly TransactWriteItem[]> {
  const levels = new Set(writes.flatMap(({ record }) => (record.state === 'pending' ? levelOf(record) : [])))
  levels.delete(0)
  await Promise.all([...levels].map(async (level) => await table.levels.mark(table, level)))
  return (await Promise.all(writes.map(async (write) => await writesOfOne(table, write)))).flat()
}

async function writesOfOne(table: Table, write: RecordWrite): Promise<readonly TransactWriteItem[]> {
  const { keys } = table
  const TableName = table.requests.tableName
  const { record, marked, revision, staleAddress } = write
  const item = await storeBulk(table, occurrenceItem(keys, { record, marked, revision: revision + 1 }))
  const put: TransactWriteItem = { Put: { TableName, Item: item, ...hasRevision(revision) } }
  if (revision > 0) return [put]
  // An address that leads here already, or to what was pruned, is as good as none: the record's own condition decides.
  const known = { ':here': number(record.scheduledAt), ':stale': number((staleAddress ?? record).scheduledAt) }
  const condition = {
    ConditionExpression: 'attribute_not_exists(pk) OR t IN (:here, :stale)',
    ExpressionAttributeValues: known,
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

/** Whether these, and the head with them, are more than a transaction takes: 100 items and, about, 4 MB. */
export function isTooLarge(writes: readonly TransactWriteItem[]): boolean {
  if (writes.length >= transactionLimit) return true
  const bytes = writes.reduce((sum, { Put: put }) => sum + (put?.Item === undefined ? 0 : sizeOf(put.Item)), 0)
  return bytes > transactionBytes
}
