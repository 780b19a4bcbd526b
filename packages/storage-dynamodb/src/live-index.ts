import { type Item, number, numberOf, text, textOf } from './attributes.ts'
import { addressOfKey, keyOf, levelOfPartition, type LiveGroup, shardCounts } from './keys.ts'
import { ordinary, type Waiting } from './live-list.ts'
import { names } from './occurrence-item.ts'
import type { Table } from './table.ts'
import { liveIndex } from './table-definition.ts'
import type { QueryInput } from './requests.ts'

// The index of live occurrences follows the table with a delay, a fraction of a second as a rule. So what it says is a
// hint: it tells what to read from the table, and may miss what was written just now.

/** One partition of the index. */
export interface LivePartition {
  readonly group: LiveGroup
  readonly shard: number
  /** Of pending ones, their priority. Default 0. */
  readonly level?: number
}

/** An occurrence that was live when the index heard of it. */
export interface LiveHint extends Waiting {
  /** Pending ones: when they are due; queued ones: as core's `orderAt`; running ones: their deadline. */
  readonly order: number
}

export function hintOf(item: Item): LiveHint {
  const level = levelOfPartition(textOf(item, names.livePartition))
  const order = numberOf(item, names.liveOrder)
  return { ...addressOfKey(keyOf(item)), details: level === 0 ? ordinary : { priority: level }, order }
}

/** The query for one partition of the index, in ascending order, within bounds that are inclusive. */
export function liveQuery(
  { keys }: Table,
  { group, shard, level = 0 }: LivePartition,
  bounds: { readonly from?: number; readonly to?: number } = {},
): QueryInput {
  const { from, to } = bounds
  const conditions = [`${names.livePartition} = :place`]
  const values: Item = { ':place': text(keys.livePartition(group, shard, level)) }
  if (from !== undefined) {
    conditions.push(`${names.liveOrder} >= :from`)
    values[':from'] = number(from)
  } else if (to !== undefined) {
    conditions.push(`${names.liveOrder} <= :to`)
    values[':to'] = number(to)
  }
  return {
    IndexName: liveIndex,
    KeyConditionExpression: conditions.join(' AND '),
    ExpressionAttributeValues: values,
  }
}

/** The partitions of a group; of pending ones those of one level. */
export function partitionsOf(group: LiveGroup, level = 0): readonly LivePartition[] {
  return Array.from({ length: shardCounts[group] }, (_, shard) => ({ group, shard, level }))
}

/** All entries of one group, in no order. */
export async function* queryGroup(
  table: Table,
  group: Exclude<LiveGroup, 'pending'>,
): AsyncGenerator<Item, void, undefined> {
  for (const partition of partitionsOf(group)) yield* table.requests.queryAll(liveQuery(table, partition))
}
