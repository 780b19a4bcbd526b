import type { JobId } from '@jobistemer/core'
import type { Connection, ScriptCall } from './connection.ts'
import { shardOf } from './ids.ts'

/** More items than that go out in several calls, so that no script keeps the server from others for long. */
const longestBatch = 1000

/**
 * Runs a script over items: one call for each shard that has some, all at the same time. The answers stand in the order
 * of the items.
 *
 * @param prepare makes the call for the items of one shard.
 * @param read takes its answer apart into one for each item.
 */
export async function runBatch<Item, Answer>(
  connection: Connection,
  items: readonly Item[],
  rules: {
    readonly jobOf: (item: Item) => JobId
    readonly prepare: (items: readonly Item[]) => Omit<ScriptCall, 'shard'>
    readonly read: (reply: unknown, items: readonly Item[]) => readonly Answer[]
  },
): Promise<readonly Answer[]> {
  const shards = await connection.shards()
  const answers: Answer[] = []
  for (let start = 0; start < items.length; start += longestBatch) {
    const chunk = start === 0 && items.length <= longestBatch ? items : items.slice(start, start + longestBatch)
    const groups = groupByShard(chunk, rules.jobOf, shards)
    const replies = await connection.write(
      groups.map(({ shard, items: group }) => ({ ...rules.prepare(group), shard })),
    )
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
}

function groupByShard<Item>(
  items: readonly Item[],
  jobOf: (item: Item) => JobId,
  shards: number,
): readonly Group<Item>[] {
  if (shards === 1) return [{ shard: 0, items: items as Item[], positions: null }]
  const groups = new Map<number, { readonly shard: number; readonly items: Item[]; readonly positions: number[] }>()
  for (const [position, item] of items.entries()) {
    const shard = shardOf(jobOf(item), shards)
    const group = groups.get(shard) ?? { shard, items: [], positions: [] }
    groups.set(shard, group)
    group.items.push(item)
    group.positions.push(position)
  }
  return [...groups.values()]
}
