import { type Item, number, numberOf, text, textOf } from './attributes.ts'
import { addressOfKey, keyOf, levelOfPartition, type LiveGroup, shardCounts } from './keys.ts'
import { ordinary, type Waiting } from './live-list.ts'
import { names } from './occurrence-item.ts'
import type { Table } from './table.ts'
import { liveIndex } from './table-definition.ts'
import type { QueryInput } from './requests.ts'

// DynamoDB updates the index of live occurrences after the table, usually within a second. So the index may miss the
// latest writes, and its entries are only hints: a reader reads each named record from the table.

/** One index partition of live occurrences. */
export interface LivePartition {
  readonly group: LiveGroup
  readonly shard: number
  /** The priority, for partitions of pending occurrences. Default 0. */
  readonly level?: number
}

/** An occurrence that was live when the index was last updated. */
export interface LiveHint extends Waiting {
  /** For a pending occurrence its due instant, for a queued one core's `orderAt`, for a running one its deadline. */
  readonly order: number
}

export function hintOf(item: Item): LiveHint {
  const level = levelOfPartition(textOf(item, names.livePartition))
  const order = numberOf(item, names.liveOrder)
  return { ...addressOfKey(keyOf(item)), details: level === 0 ? ordinary : { priority: level }, order }
}

/** Builds the query for one partition of the index, in ascending order. Both bounds are inclusive. */
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

/** Returns the index partitions of a group. `level`: the priority level, for pending occurrences only. */
export function partitionsOf(group: LiveGroup, level = 0): readonly LivePartition[] {
  return Array.from({ length: shardCounts[group] }, (_, shard) => ({ group, shard, level }))
}

/** Yields all index entries of one group, in no particular order. */
export async function* queryGroup(
  table: Table,
  group: Exclude<LiveGroup, 'pending'>,
): AsyncGenerator<Item, void, undefined> {
  for (const partition of partitionsOf(group)) yield* table.requests.queryAll(liveQuery(table, partition))
}
