import type { PruneAnswer, PruneRequest } from '@jobistemer/core/storage'
import { bytesOfId, shardOf } from './ids.ts'
import { never, printFields } from './layout.ts'
import type { Ledger } from './connection.ts'
import { layouts } from './layouts.ts'
import { pruneScript } from './scripts/prune.ts'

/**
 * Maximum number of occurrences that the script removes in a single call. The server runs no other command during a
 * script, so each call must be short.
 */
const removedAtOnce = 500

/** Removes history shard by shard, in short script calls. */
export async function pruneHistory({ connection }: Ledger, request: PruneRequest): Promise<PruneAnswer> {
  const { jobId, before, keep, limit } = request
  const shards = await connection.shards()
  const only = jobId === null ? '' : bytesOfId(jobId)
  const first = jobId === null ? 0 : shardOf(jobId, shards)
  const last = jobId === null ? shards - 1 : first
  let removed = 0
  for (let shard = first; shard <= last; shard++) {
    let place: Buffer = printFields(layouts.prunePlace, { passed: 0, spare: never })
    do {
      const step = Math.min(limit - removed, removedAtOnce)
      const values = printFields(layouts.prune, { before, keep, limit: step })
      const call = { script: pruneScript, shard, shards, arguments: [values, only, place] }
      const reply = await connection.write(call)
      const [count, more, next] = reply as readonly [number, number, Buffer]
      removed += count
      if (more === 1 && removed >= limit) return { removed, more: true }
      place = next
    } while (place.length > 0)
  }
  return { removed, more: false }
}
