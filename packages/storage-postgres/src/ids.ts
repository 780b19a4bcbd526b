import type { JobId, JobistemerError, OccurrenceId } from '@jobistemer/core'
import { codec1, storageFailure } from '@jobistemer/core/storage'

const prefixLength = 4
const scratch = new Uint8Array(16)

/** Returns the UUID of an id; `null` for an id without a UUID, which is never stored. */
export function uuidOrNull(id: JobId | OccurrenceId): string | null {
  return codec1.writeId(scratch, 0, id) ? id.slice(prefixLength) : null
}

/**
 * Returns the UUID of an id that is about to be stored.
 *
 * @throws JobistemerError `STORAGE_REFUSED` if the id contains no UUID
 */
export function uuidOf(id: JobId | OccurrenceId): string {
  const found = uuidOrNull(id)
  if (found === null) throw refusedId(id)
  return found
}

function refusedId(id: string): JobistemerError {
  const message = `The id is not one that Jobistemer makes: ${id}.`
  const remedy = 'Take ids from jobId(), occurrenceId() and what Jobistemer answers.'
  return storageFailure('STORAGE_REFUSED', ['id', id], message, remedy)
}

const uuidBytes = 16

/**
 * Length in bytes of the header of a PostgreSQL array in binary form: dimensions, NULL flag, element type, number of
 * elements, first index.
 */
const arrayHead = 5 * 4

/** The object id of PostgreSQL's type `uuid`, which is the same in every database. */
const uuidType = 2950

/**
 * Encodes ids as a binary array of UUIDs, the input of `array_recv` and `uuid_recv`.
 * @throws JobistemerError `STORAGE_REFUSED`, as {@link uuidOf}
 */
export function binaryUuids(ids: readonly (JobId | OccurrenceId)[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(arrayHead + ids.length * (4 + uuidBytes))
  let at = 0
  for (const word of [1, 0, uuidType, ids.length, 1]) at = bytes.writeInt32BE(word, at)
  for (const id of ids) {
    at = bytes.writeInt32BE(uuidBytes, at)
    if (!codec1.writeId(bytes, at, id)) throw refusedId(id)
    at += uuidBytes
  }
  return bytes
}

export function jobIdOf(stored: unknown): JobId {
  return `job_${stored as string}`
}

export function occurrenceIdOf(stored: unknown): OccurrenceId {
  return `occ_${stored as string}`
}
