import type { JobId, JobistemerError, OccurrenceId } from '@jobistemer/core'
import { codec1, storageFailure } from '@jobistemer/core/storage'

const prefixLength = 4
const scratch = new Uint8Array(16)

/** The UUID of an id; `null` for an id of another form, under which nothing is stored. */
export function uuidOrNull(id: JobId | OccurrenceId): string | null {
  return codec1.writeId(scratch, 0, id) ? id.slice(prefixLength) : null
}

/** The UUID of an id that is to be stored. @throws JobistemerError `STORAGE_REFUSED` */
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

/** The bytes of a UUID. */
const uuidBytes = 16

/** What an array of PostgreSQL begins with in its binary form: one dimension, no NULL, the type of the elements, how many from 1 on. */
const arrayHead = 5 * 4

/** The number of the type `uuid`, which is the same in every database. */
const uuidType = 2950

/**
 * Ids as an array of UUIDs in the binary form, which the server reads sooner than texts. The form is that of `array_recv` and
 * `uuid_recv`. @throws JobistemerError `STORAGE_REFUSED`, as {@link uuidOf}
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
