import type { QueryCommandInput } from '@aws-sdk/client-dynamodb'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { type Item, number, numberOf, text } from './attributes.ts'
import { addressOfKey, type LiveGroup, shardCounts } from './keys.ts'
import { keyOf, names } from './occurrence-item.ts'
import type { Table } from './table.ts'
import { liveIndex } from './table-definition.ts'

// The index of live occurrences follows the table with a delay, a fraction of a second as a rule. So what it says is a
// hint: it tells what to read from the table, and may miss what was written just now.

/** An occurrence that was live when the index heard of it. */
export interface LiveHint extends OccurrenceAddress {
  /** Pending ones: when they are due; running ones: their deadline. */
  readonly order: number
}

export function hintOf(item: Item): LiveHint {
  return { ...addressOfKey(keyOf(item)), order: numberOf(item, names.liveOrder) }
}

/** The query for one partition of the index, in ascending order, within bounds that are inclusive. */
export function liveQuery(
  { keys }: Table,
  group: LiveGroup,
  shard: number,
  bounds: { readonly from?: number; readonly to?: number } = {},
): Omit<QueryCommandInput, 'TableName'> {
  const { from, to } = bounds
  const conditions = [`${names.livePartition} = :place`]
  const values: Item = { ':place': text(keys.livePartition(group, shard)) }
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

export function shardsOf(group: LiveGroup): readonly number[] {
  return Array.from({ length: shardCounts[group] }, (_, shard) => shard)
}

/** All entries of one group, in no order. */
export async function* queryGroup(table: Table, group: LiveGroup): AsyncGenerator<Item, void, undefined> {
  for (const shard of shardsOf(group)) yield* table.requests.queryAll(liveQuery(table, group, shard))
}
