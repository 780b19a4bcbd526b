import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { Connection, ScriptCall } from './connection.ts'
import { bucketOf, shardOf } from './ids.ts'

/**
 * Maximum number of items of one script call. The server runs no other command during a script, so larger batches are
 * split.
 */
const longestBatch = 1000

/**
 * Runs a script over items: one concurrent call for each shard that has items. Returns the answers in the order of the
 * items.
 *
 * @param idOf returns the id of an item's occurrence. If `idOf` is given, the items of each call are sorted by the Redis
 * hash of their records, if possible. Only for scripts that read and write all records of one hash together.
 * @param prepare creates the call for the items of one shard. `spans`: the number of items for each hash, or empty if
 * the items are not sorted.
 * @param read splits the answer of a call into one answer for each item.
 */
export async function runBatch<Item, Answer>(
  connection: Connection,
  items: readonly Item[],
  rules: {
    readonly jobOf: (item: Item) => JobId
    readonly idOf?: (item: Item) => OccurrenceId
    readonly prepare: (items: readonly Item[], spans: Buffer) => Omit<ScriptCall, 'shard' | 'shards'>
    readonly read: (reply: unknown, items: readonly Item[]) => readonly Answer[]
    /** Whether the script writes. A call that writes waits for replicas. Default true. */
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
  /**
   * Positions of this shard's items in the whole batch; `null` if the whole batch has only these items, in the same
   * order.
   */
  readonly positions: number[] | null
  /**
   * Number of items for each Redis hash that has items, if the items are sorted by hash. Empty if the items keep the
   * caller's order.
   */
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
 * Sorts the items of a shard by the Redis hash that holds their records. So a script reads and writes each hash once.
 * If any job has several items, returns the items unsorted: the script must run these items in the caller's order. A single
 * item needs no sorting.
 */
function arrangeByBucket<Item>(
  group: Group<Item>,
  jobOf: (item: Item) => JobId,
  idOf: (item: Item) => OccurrenceId,
): Group<Item> {
  const { items, positions } = group
  if (items.length === 1 || new Set(items.map(jobOf)).size < items.length) return group
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
