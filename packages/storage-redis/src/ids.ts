import type { JobId, OccurrenceId } from '@jobistemer/core'

// An id is stored as the 16 bytes of its UUID: they sort like the texts, and take less than half the room.

const prefixLength = 4

const digitValues = new Uint8Array(128)
for (let value = 0; value < 16; value++) digitValues[value.toString(16).charCodeAt(0)] = value

/** Writes the 16 bytes of an id at an offset. */
export function writeId(bytes: Uint8Array, offset: number, id: JobId | OccurrenceId): void {
  let position = prefixLength
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) position++
    const high = digitValues[id.charCodeAt(position)] as number
    const low = digitValues[id.charCodeAt(position + 1)] as number
    bytes[offset + index] = (high << 4) | low
    position += 2
  }
}

export function isJobId(text: string): text is JobId {
  return /^job_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

export function readJobId(bytes: Buffer, offset: number): JobId {
  return readId(jobIdText, bytes, offset) as JobId
}

export function readOccurrenceId(bytes: Buffer, offset: number): OccurrenceId {
  return readId(occurrenceIdText, bytes, offset) as OccurrenceId
}

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
    // What is asked for is often of one job.
    if (jobId === lastJob) bytes.copyWithin(offset + 16, offset - 16, offset)
    else writeId(bytes, offset + 16, jobId)
    lastJob = jobId
    offset += 32
  }
  return bytes
}

/** In which of the hashes of a shard a record lies, see `bucketOf` of the scripts' prelude. */
export function bucketOf(id: OccurrenceId): number {
  return digitValues[id.charCodeAt(prefixLength)] as number
}

/** The first bits of the id as a number: where its job belongs. */
export function shardOf(id: JobId, shards: number): number {
  return shards === 1 ? 0 : Number.parseInt(id.slice(prefixLength, prefixLength + 8), 16) % shards
}

// The text of an id is written digit by digit: joined from parts, it would be put together again at its first lookup.
const nil = '00000000-0000-0000-0000-000000000000'
const jobIdText = Buffer.from(`job_${nil}`)
const occurrenceIdText = Buffer.from(`occ_${nil}`)
const digits = Buffer.from('0123456789abcdef')

function readId(text: Buffer, bytes: Buffer, offset: number): string {
  let position = prefixLength
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) position++
    const byte = bytes[offset + index] as number
    text[position] = digits[byte >> 4] as number
    text[position + 1] = digits[byte & 15] as number
    position += 2
  }
  return text.toString('latin1')
}
