import type { JobId, OccurrenceId } from '@jobistemer/core'
import { codec1 } from '@jobistemer/core/storage'

const { writeId } = codec1

const prefixLength = 4

/** Returns the 16 bytes of an id. */
export function bytesOfId(id: JobId | OccurrenceId): Buffer {
  const bytes = Buffer.allocUnsafe(16)
  writeId(bytes, 0, id)
  return bytes
}

/** Writes the ids of occurrences and of their jobs, 32 bytes for each occurrence. */
export function printAddresses(items: readonly { readonly id: OccurrenceId; readonly jobId: JobId }[]): Buffer {
  const bytes = Buffer.allocUnsafe(items.length * 32)
  let offset = 0
  let lastJob: JobId | null = null
  for (const { id, jobId } of items) {
    writeId(bytes, offset, id)
    // Consecutive items often belong to the same job. Then the bytes of the previous item's job are copied.
    if (jobId === lastJob) bytes.copyWithin(offset + 16, offset - 16, offset)
    else writeId(bytes, offset + 16, jobId)
    lastJob = jobId
    offset += 32
  }
  return bytes
}

/**
 * Returns the number of the Redis hash of a shard that holds the record of an occurrence, like `bucketOf` in the scripts'
 * prelude.
 */
export function bucketOf(id: OccurrenceId): number {
  return Number.parseInt(id.charAt(prefixLength), 16)
}

/** Returns the shard of a job: the first 32 bits of its id, modulo the number of shards. */
export function shardOf(id: JobId, shards: number): number {
  return shards === 1 ? 0 : Number.parseInt(id.slice(prefixLength, prefixLength + 8), 16) % shards
}
