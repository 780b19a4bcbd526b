import type { JobId, OccurrenceId } from '@jobistemer/core'
import { partialAnswers } from '@jobistemer/core/storage'
import type { Connection, ScriptCall } from './connection.ts'
import { bucketOf, shardOf } from './ids.ts'

/**
 * Maximum number of items of one script call. The server runs no other command during a script, so larger batches are
 * split.
 */
const longestBatch = 1000

/**
 * The answers to the items of a batch; `null` for an item whose shard failed. `failure`: the first error of a shard, with these
 * answers in {@link partialAnswers}.
 */
export interface BatchAnswers<Answer> {
  readonly answers: (Answer | null)[]
  readonly failure: Error | null
}

/**
 * Runs a script over items: one concurrent call for each shard that has items. Waits for all shards, because a failed shard
 * may be on another master of a Cluster than the other shards. Returns the answers in the order of the items.
 *
 * @param idOf returns the id of an item's occurrence. If `idOf` is given, the items of each call are sorted by the Redis
 * hash of their records, if possible. Only for scripts that read and write all records of one hash together.
 * @param prepare creates the call for the items of one shard. `spans`: the number of items for each hash, or empty if
 * the items are not sorted.
 * @param read splits the answer of a call into one answer for each item.
 * @throws the first error of a shard if the server has answered no call meanwhile, or if there is a single shard
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
): Promise<BatchAnswers<Answer>> {
  const { jobOf, idOf } = rules
  const shards = await connection.shards()
  const answeredBefore = connection.answered
  const answers: (Answer | null)[] = new Array(items.length).fill(null)
  let failure: Error | null = null
  for (let start = 0; start < items.length && failure === null; start += longestBatch) {
    const chunk = start === 0 && items.length <= longestBatch ? items : items.slice(start, start + longestBatch)
    const byShard = groupByShard(chunk, jobOf, shards)
    const groups = idOf === undefined ? byShard : byShard.map((group) => arrangeByBucket(group, jobOf, idOf))
    const calls = groups.map(({ shard, items: group, spans }) => ({ ...rules.prepare(group, spans), shard, shards }))
    const outcomes = await Promise.allSettled(
      calls.map((call) => (rules.isWrite === false ? connection.read(call) : connection.write(call))),
    )
    for (const [index, { items: group, positions }] of groups.entries()) {
      const outcome = outcomes[index] as PromiseSettledResult<unknown>
      if (outcome.status === 'rejected') {
        failure ??= outcome.reason as Error
        continue
      }
      for (const [position, answer] of rules.read(outcome.value, group).entries()) {
        answers[start + (positions?.[position] ?? position)] = answer
      }
    }
  }
  if (failure !== null) {
    if (shards === 1 || connection.answered === answeredBefore) throw failure
    partialAnswers.set(failure, answers)
  }
  return { answers, failure }
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
