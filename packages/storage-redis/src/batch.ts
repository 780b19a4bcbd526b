import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { Connection, ScriptCall } from './connection.ts'
import { bucketOf, shardOf } from './ids.ts'

/** More items than that go out in several calls, so that no script keeps the server from others for long. */
export const longestBatch = 1000

/**
 * Runs a script over items: one call for each shard that has some, all at the same time. The answers stand in the order
 * of the items.
 *
 * @param idOf for scripts that go through records by the hashes that they lie in: the record of an item.
 * @param prepare makes the call for the items of one shard; with `idOf` they may stand by hash, as `spans` says.
 * @param read takes its answer apart into one for each item.
 */
export async function runBatch<Item, Answer>(
  connection: Connection,
  items: readonly Item[],
  rules: {
    readonly jobOf: (item: Item) => JobId
    readonly idOf?: (item: Item) => OccurrenceId
    readonly prepare: (items: readonly Item[], spans: Buffer) => Omit<ScriptCall, 'shard' | 'shards'>
    readonly read: (reply: unknown, items: readonly Item[]) => readonly Answer[]
    /** Writes wait for replicas. */
    readonly isWrite?: boolean
  },
): Promise<readonly Answer[]> {
  const { jobOf, idOf } = rules
  const shards = await connection.shards()
  const answers: Answer[] = []
  for (let start = 0; start < items.length; start += longestBatch) {
    const chunk = start === 0 && items.length <= longestBatch ? items : items.slice(start, start + longestBatch)
    const byShard = groupByShard(chunk, jobOf, shards)
    const groups = idOf === undefined ? byShard : byShard.map((group) => arrangeByBucket(group, jobOf, idOf))
    const calls = groups.map(({ shard, items: group, spans }) => ({ ...rules.prepare(group, spans), shard, shards }))
    const replies = await (rules.isWrite === false ? connection.read(calls) : connection.write(calls))
    const merged: Answer[] = new Array(chunk.length)
    for (const [index, group] of groups.entries()) {
      const part = rules.read(replies[index], group.items)
      for (const [position, answer] of part.entries()) {
        merged[group.positions === null ? position : (group.positions[position] as number)] = answer
      }
    }
    answers.push(...merged)
  }
  return answers
}

interface Group<Item> {
  readonly shard: number
  readonly items: Item[]
  /** Where the items stand in the whole; `null` when they are the whole. */
  readonly positions: number[] | null
  /** How many lie in each bucket that has some, when they stand by bucket; empty when they stand as they were given. */
  readonly spans: Buffer
}

const noSpans = Buffer.alloc(0)

function groupByShard<Item>(
  items: readonly Item[],
  jobOf: (item: Item) => JobId,
  shards: number,
): readonly Group<Item>[] {
  if (shards === 1) return [{ shard: 0, items: items as Item[], positions: null, spans: noSpans }]
  const groups = new Map<number, Group<Item> & { readonly positions: number[] }>()
  for (const [position, item] of items.entries()) {
    const shard = shardOf(jobOf(item), shards)
    const group = groups.get(shard) ?? { shard, items: [], positions: [], spans: noSpans }
    groups.set(shard, group)
    group.items.push(item)
    group.positions.push(position)
  }
  return [...groups.values()]
}

/**
 * Puts items in the order of the hashes that their records lie in, so that each of these is read and written once. The
 * order matters to items of one job: where some job has several, everything stays as it is.
 */
function arrangeByBucket<Item>(
  group: Group<Item>,
  jobOf: (item: Item) => JobId,
  idOf: (item: Item) => OccurrenceId,
): Group<Item> {
  const { items, positions } = group
  if (new Set(items.map(jobOf)).size < items.length) return group
  const buckets: number[][] = Array.from({ length: 16 }, () => [])
  for (const [index, item] of items.entries()) buckets[bucketOf(idOf(item))]?.push(index)
  const filled = buckets.filter((bucket) => bucket.length > 0)
  const spans = Buffer.allocUnsafe(filled.length * 4)
  for (const [index, bucket] of filled.entries()) spans.writeUInt32LE(bucket.length, index * 4)
  const order = filled.flat()
  return {
    shard: group.shard,
    items: order.map((index) => items[index] as Item),
    positions: positions === null ? order : order.map((index) => positions[index] as number),
    spans,
  }
}
