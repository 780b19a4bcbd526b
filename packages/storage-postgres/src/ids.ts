import { type JobId, JobistemerError, type OccurrenceId } from '@jobistemer/core'

const idForm = /^(?:job|occ)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const prefixLength = 4

/** The UUID of an id; `null` for an id of another form, under which nothing is stored. */
export function uuidOrNull(id: JobId | OccurrenceId): string | null {
  return idForm.test(id) ? id.slice(prefixLength) : null
}

/** The UUID of an id that is to be stored. @throws JobistemerError `STORAGE_REFUSED` */
export function uuidOf(id: JobId | OccurrenceId): string {
  const found = uuidOrNull(id)
  if (found !== null) return found
  throw new JobistemerError('STORAGE_REFUSED', {
    message: `The id is not one that Jobistemer makes: ${id}.`,
    field: 'id',
    value: id,
    remedy: 'Take ids from jobId(), occurrenceId() and what Jobistemer answers.',
  })
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
    at = writeUuid(bytes, at, id)
  }
  return bytes
}

/** The value of each digit by the code of its character, and {@link noDigit} for all others. */
const noDigit = 0xf0
const digits = new Uint8Array(128).fill(noDigit)
for (let value = 0; value < 16; value++) digits[value.toString(16).charCodeAt(0)] = value

/** Where the bytes of the UUID stand in an id, two digits each, and where its dashes. */
const bytePlaces = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34].map((place) => prefixLength + place)
const dashPlaces = [8, 13, 18, 23].map((place) => prefixLength + place)
const idLength = prefixLength + 36

function writeUuid(bytes: Buffer, start: number, id: JobId | OccurrenceId): number {
  let at = start
  let seen = 0
  for (const place of bytePlaces) {
    const high = digits[id.charCodeAt(place)] ?? noDigit
    const low = digits[id.charCodeAt(place + 1)] ?? noDigit
    seen |= high | low
    bytes[at++] = (high << 4) | low
  }
  // It says what is wrong.
  if ((seen & noDigit) !== 0 || !isFramed(id)) uuidOf(id)
  return at
}

function isFramed(id: string): boolean {
  return (
    id.length === idLength &&
    (id.startsWith('job_') || id.startsWith('occ_')) &&
    dashPlaces.every((place) => id[place] === '-')
  )
}

export function jobIdOf(stored: unknown): JobId {
  return `job_${stored as string}`
}

export function occurrenceIdOf(stored: unknown): OccurrenceId {
  return `occ_${stored as string}`
}
