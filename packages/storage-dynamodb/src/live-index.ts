import { type Item, number, numberOf, text, textOf } from './attributes.ts'
import { addressOfKey, keyItem, keyOf, levelOfKey, levelOfPartition, type LiveGroup, shardCounts } from './keys.ts'
import { ordinary, type Waiting } from './job-item.ts'
import { names } from './occurrence-item.ts'
import type { QueryInput } from './requests.ts'
import { liveIndex } from './table-definition.ts'
import type { Table } from './table.ts'

// The index of live occurrences lags behind the table, usually by less than a second. Its entries are only hints:
// readers read the record of each entry from the table.

/** One index partition of live occurrences. */
export interface LivePartition {
  readonly group: LiveGroup
  readonly shard: number
  /** The priority, for partitions of pending occurrences. Default 0. */
  readonly level?: number
}

/** An occurrence that was live when the index was last updated. */
export interface LiveHint extends Waiting {
  /**
   * For a pending occurrence, its due instant. For a queued occurrence, the instant `orderAt` of core. For a running
   * occurrence, its deadline.
   */
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

/** Yields all entries of one group of index partitions, in no particular order. */
export async function* queryGroup(
  table: Table,
  group: Exclude<LiveGroup, 'pending'>,
): AsyncGenerator<Item, void, undefined> {
  for (const partition of partitionsOf(group)) yield* table.requests.queryAll(liveQuery(table, partition))
}

// Each index partition is sorted by due instants. This is the order of waiting occurrences only if all occurrences have
// the same priority level. So each level has two partitions of its own for its pending occurrences.
//
// A marker is an item that shows that the namespace has used a priority level. All markers are at the beginning of the
// first partition of level 0. Each claim reads this partition, so a claim finds the used levels without a further request.

/** The sort instant of priority markers, before the first instant that a `Date` can represent. */
const markerOrder = -9e15

/**
 * Bounds of queries for pending occurrences: {@link onlyMarkers} covers only the markers, and {@link noMarkers} covers
 * everything after them.
 */
export const onlyMarkers: { readonly to: number } = { to: markerOrder }
export const noMarkers: { readonly from: number } = { from: markerOrder + 1 }

export function isMarker(item: Item): boolean {
  return numberOf(item, names.liveOrder) === markerOrder
}

/** Returns the priority levels of the marker items among these items. */
export function levelsAmong(items: readonly Item[]): readonly number[] {
  return items.filter(isMarker).map((item) => levelOfKey(keyOf(item)))
}

/** The priority levels that this process knows to be in use. */
export class PriorityLevels {
  readonly #known: Set<number> = new Set()
  /** Priority levels whose marker item is stored. */
  readonly #marked: Set<number> = new Set()

  /** The known priority levels other than 0, highest first. */
  get known(): readonly number[] {
    return [...this.#known].sort((left, right) => right - left)
  }

  /**
   * Learns from a page of index entries which priority levels have a stored marker. The page must begin with all markers. If
   * the table was emptied, the marker of a level may be missing. The next call of `mark` for this level then stores the marker
   * again.
   */
  saw(page: readonly Item[]): void {
    this.#marked.clear()
    for (const level of levelsAmong(page)) {
      this.#known.add(level)
      this.#marked.add(level)
    }
  }

  /** Stores the marker of a priority level. The caller must await `mark` before it stores an occurrence of the level. */
  async mark({ requests, keys }: Table, level: number): Promise<void> {
    this.#known.add(level)
    if (this.#marked.has(level)) return
    const item: Item = {
      ...keyItem(keys.priorityLevel(level)),
      [names.livePartition]: text(keys.livePartition('pending', 0)),
      [names.liveOrder]: number(markerOrder),
    }
    await requests.put({ Item: item })
    this.#marked.add(level)
  }
}
