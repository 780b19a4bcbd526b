import type { JobId, OccurrenceId } from '@jobistemer/core'
import { codec1 } from '@jobistemer/core/storage'

const { writeId } = codec1

const prefixLength = 4

/** The 16 bytes of an id. */
export function bytesOfId(id: JobId | OccurrenceId): Buffer {
  const bytes = Buffer.allocUnsafe(16)
  writeId(bytes, 0, id)
  return bytes
}

/** The ids of occurrences and of their jobs, 32 bytes for each. */
export function printAddresses(items: readonly { readonly id: OccurrenceId; readonly jobId: JobId }[]): Buffer {
  const bytes = Buffer.allocUnsafe(items.length * 32)
  let offset = 0
  let lastJob: JobId | null = null
  for (const { id, jobId } of items) {
    writeId(bytes, offset, id)
    // The ids of a request often belong to one job.
    if (jobId === lastJob) bytes.copyWithin(offset + 16, offset - 16, offset)
    else writeId(bytes, offset + 16, jobId)
    lastJob = jobId
    offset += 32
  }
  return bytes
}

/** In which of the hashes of a shard a record lies, see `bucketOf` of the scripts' prelude. */
export function bucketOf(id: OccurrenceId): number {
  return Number.parseInt(id.charAt(prefixLength), 16)
}

/** The first bits of the id as a number: where its job belongs. */
export function shardOf(id: JobId, shards: number): number {
  return shards === 1 ? 0 : Number.parseInt(id.slice(prefixLength, prefixLength + 8), 16) % shards
}
