import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceAddress, OccurrenceRecord, OccurrenceWrite } from '@jobistemer/core/storage'
import { type Item, json, number, sizeOf, text } from './attributes.ts'
import { addressItem, isBulky, moveOut, outdatedParts, referenceTo, removeParts, type Table } from './table.ts'
import { headItem, headNames, type StoredHead, type Waiting } from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import { type Key, keyItem } from './keys.ts'
import { levelOf, names, occurrenceItem, type StoredOccurrence } from './occurrence-item.ts'
import { transactionBytes, transactionLimit } from './requests.ts'

/** The write of one occurrence record, as a part of a step. */
export interface RecordWrite {
  readonly record: OccurrenceRecord
  /** The stored record before the write. `null` for a new record, and for each record in the stored plan of a large step. */
  readonly before: StoredOccurrence | null
  readonly marked: boolean
  /** The stored revision on which the write is conditional; 0 for a new record. */
  readonly revision: number
  /**
   * The address item of an earlier record with the same id. This earlier record was removed. The write replaces its address by
   * the address of the new record.
   */
  readonly staleAddress: OccurrenceAddress | null
  /** What the write does to the queue item of the record. Default: nothing. */
  readonly queueMove?: QueueMove
}

/** The change of an occurrence's queue item, see `Keys.queued`. */
export type QueueMove = 'add' | 'remove'

/** The changes of queue items, by the ids of the records that a step writes. */
export type QueueMoves = ReadonlyMap<OccurrenceId, QueueMove>

/**
 * Builds the write for one change of a step. With `marks`, the write marks a running occurrence. The step that ends a marked
 * occurrence also writes the job's head.
 */
export function recordWrite(
  job: JobReading,
  { before, after }: OccurrenceWrite,
  { marks, moves }: { readonly marks: boolean; readonly moves?: QueueMoves },
): RecordWrite {
  const stored = before as StoredOccurrence | null
  const queueMove = moves?.get(after.id)
  return {
    record: after,
    before: stored,
    marked: after.state === 'running' && (marks || stored?.marked === true),
    revision: stored?.revision ?? 0,
    staleAddress: job.staleAddresses.get(after.id) ?? null,
    ...(queueMove !== undefined && { queueMove }),
  }
}

/**
 * Builds the write of a head, on the condition that the stored head has the given revision. With revision 0, no head may be
 * stored yet.
 */
export function putHead({ requests, keys }: Table, head: StoredHead, revision: number): TransactWriteItem {
  return { Put: { TableName: requests.tableName, Item: headItem(keys, head), ...hasRevision(revision) } }
}

export function checkHead({ requests, keys }: Table, head: StoredHead): TransactWriteItem {
  const condition = hasRevision(head.revision)
  return { ConditionCheck: { TableName: requests.tableName, Key: keyItem(keys.head(head.id)), ...condition } }
}

/**
 * Builds a condition on the head of a job with the overlap policy `allow`: occurrences of the job may still start. The
 * condition ignores all other changes of the head.
 */
export function checkStartable({ requests, keys }: Table, head: StoredHead): TransactWriteItem {
  const { policy, paused, pausedUntil, planParts, handlerKey, cancelsBelow, deletedAt } = headNames
  const values: Item = { ':allow': text('allow'), ':handlerKey': json(head.handlerKey), ':v': number(head.revision) }
  // Versions of zlib compress a long handler key to different bytes. The revision shows that the handler key is unchanged.
  const isSameCode = `(${handlerKey} = :handlerKey OR v = :v)`
  const absent = [planParts, deletedAt].map((name) => `attribute_not_exists(${name})`)
  const conditions = [`${policy} = :allow`, ...absent, isSameCode]
  // The step has read `head`, which has no pause or an ended pause. The condition requires that the stored head still has no
  // pause, or a pause with the same end.
  if (head.paused === null) conditions.push(`attribute_not_exists(${paused})`)
  else {
    conditions.push(`${pausedUntil} = :pausedUntil`)
    values[':pausedUntil'] = number(head.paused.until ?? 0)
  }
  // Requires that `cancelsBelow` is unchanged. An update that supersedes waiting slots changes `cancelsBelow`, and these
  // slots must not start.
  if (head.cancelsBelow === null) conditions.push(`attribute_not_exists(${cancelsBelow})`)
  else {
    conditions.push(`${cancelsBelow} = :cancelsBelow`)
    values[':cancelsBelow'] = number(head.cancelsBelow)
  }
  const condition = { ConditionExpression: conditions.join(' AND '), ExpressionAttributeValues: values }
  return { ConditionCheck: { TableName: requests.tableName, Key: keyItem(keys.head(head.id)), ...condition } }
}

/** The items that a transaction writes for occurrence records. */
export interface Writes {
  readonly items: readonly TransactWriteItem[]
  /** The keys of the parts (separate items for large attributes) to which these records no longer refer after the write. */
  readonly outdated: readonly Key[]
}

/**
 * Builds the writes of these records, and of an address for each new record.
 *
 * Before a stored record gets its first parts (separate items for large attributes), the record must be marked. If a record
 * lacks this mark, this function stores the mark and returns `null`. The mark changes the record, so the step must then
 * read the data again, and decide again what changes.
 */
export async function writesOf(table: Table, writes: readonly RecordWrite[]): Promise<Writes | null> {
  const levels = new Set(writes.flatMap(({ record }) => (record.state === 'pending' ? levelOf(record) : [])))
  levels.delete(0)
  await Promise.all([...levels].map(async (level) => await table.levels.mark(table, level)))
  const items = writes.map((write) => itemOf(table, write))
  if (await markFirst(table, writes, items)) return null
  const stored = await Promise.all(items.map(async (item) => await withoutBulk(table, item)))
  return {
    items: writes.flatMap((write, index) => writesOfOne(table, write, stored[index] as Item)),
    outdated: writes.flatMap(({ record, before }, index) => {
      const bulk = before?.bulk ?? null
      return bulk === null ? [] : outdatedParts(table.keys, record.id, bulk, stored[index] as Item)
    }),
  }
}

/**
 * Writes all items or none. After the write, removes the separate items for large attributes to which no record refers any
 * more.
 */
export async function commit(
  table: Table,
  { items, outdated }: Writes,
  others: readonly TransactWriteItem[],
): Promise<boolean> {
  const [only, another] = items
  const isAlone = others.length === 0 && another === undefined
  const written =
    isAlone && only?.Put !== undefined
      ? await table.requests.put(only.Put)
      : await table.requests.transact([...others, ...items])
  if (written) await removeParts(table, outdated)
  return written
}

/**
 * Builds the item of a record. If a large value is unchanged, the item refers to the parts (separate items) that already hold
 * the value.
 */
function itemOf({ keys }: Table, { record, marked, revision, before }: RecordWrite): Item {
  const item = occurrenceItem(keys, { record, marked, revision: revision + 1 })
  const bulk = before?.bulk ?? null
  if (before === null || bulk === null) return item
  item[names.hadParts] = { BOOL: true }
  for (const [name, stays] of [
    [names.runs, before.record.runs === record.runs],
    [names.details, before.record.details === record.details],
  ] as const) {
    const reference = bulk[referenceTo(name)]
    if (!stays || reference === undefined) continue
    delete item[name]
    item[referenceTo(name)] = reference
  }
  return item
}

/**
 * Marks stored records that will get their first parts, the separate items for large attributes. If the following write fails,
 * a prune finds the parts by this mark. Returns true if it has marked at least one record.
 */
async function markFirst(table: Table, writes: readonly RecordWrite[], items: readonly Item[]): Promise<boolean> {
  const first = writes.filter(({ revision }, index) => {
    const item = items[index] as Item
    return revision > 0 && item[names.hadParts] === undefined && isBulky(item, names.runs)
  })
  if (first.length === 0) return false
  await Promise.all(
    first.map(async ({ record, revision }) => {
      await table.requests.update({
        Key: keyItem(table.keys.occurrence(record)),
        UpdateExpression: `SET ${names.hadParts} = :yes, ${names.revision} = ${names.revision} + :one`,
        ConditionExpression: `${names.revision} = :revision`,
        ExpressionAttributeValues: { ':yes': { BOOL: true }, ':one': number(1), ':revision': number(revision) },
      })
    }),
  )
  return true
}

async function withoutBulk(table: Table, item: Item): Promise<Item> {
  let stored = item
  for (const name of [names.runs, names.details]) if (isBulky(stored, name)) stored = await moveOut(table, stored, name)
  return stored
}

function writesOfOne(table: Table, write: RecordWrite, item: Item): readonly TransactWriteItem[] {
  const { keys } = table
  const TableName = table.requests.tableName
  const { record, revision, staleAddress } = write
  const put: TransactWriteItem = { Put: { TableName, Item: item, ...hasRevision(revision) } }
  const moved = write.queueMove === undefined ? [] : [moveInQueue(table, record, write.queueMove)]
  if (revision > 0) return [put, ...moved]
  // The address item may already exist. It then has the address of this record, or the address of a record that a prune has
  // removed. In both cases this write replaces the item. The condition on the record decides whether the record is new.
  const known = { ':here': number(record.scheduledAt), ':stale': number((staleAddress ?? record).scheduledAt) }
  const condition = {
    ConditionExpression: 'attribute_not_exists(pk) OR t IN (:here, :stale)',
    ExpressionAttributeValues: known,
  }
  return [put, ...moved, { Put: { TableName, Item: addressItem(keys, record), ...condition } }]
}

export function moveInQueue(table: Table, entry: Waiting, move: QueueMove): TransactWriteItem {
  const key = table.keys.queued(entry)
  if (move === 'remove') return remove(table, key)
  const item: Item = { ...keyItem(key), t: number(entry.scheduledAt) }
  if (entry.details.priority !== undefined) item.p = number(entry.details.priority)
  return put(table, item)
}

export function put({ requests }: Table, item: Item): TransactWriteItem {
  return { Put: { TableName: requests.tableName, Item: item } }
}

export function remove({ requests }: Table, key: Key): TransactWriteItem {
  return { Delete: { TableName: requests.tableName, Key: keyItem(key) } }
}

/** Returns the condition that an item still has the given revision. Revision 0: the item must not exist. */
export function hasRevision(revision: number): RevisionCondition {
  return revision === 0
    ? { ConditionExpression: 'attribute_not_exists(pk)' }
    : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': number(revision) } }
}

interface RevisionCondition {
  readonly ConditionExpression: string
  readonly ExpressionAttributeValues?: Item
}

/** Returns whether these writes and the write of the head exceed the limits of a transaction: 100 items, or about 4 MB. */
export function isTooLarge(writes: readonly TransactWriteItem[]): boolean {
  if (writes.length >= transactionLimit) return true
  const bytes = writes.reduce((sum, { Put: put }) => sum + (put?.Item === undefined ? 0 : sizeOf(put.Item)), 0)
  return bytes > transactionBytes
}
