import type { OccurrenceId } from '@jobistemer/core'
import { codec1 } from '@jobistemer/core/storage'

/** The stored form of an occurrence's id: the 16 bytes of its UUID, or the text of an id of another form. */
export type OccurrenceKey = Buffer | string

/** Returns the stored form of an id. Equal ids have equal keys, and keys sort like ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  return written(Buffer.allocUnsafe(16), id)
}

const lent = Buffer.allocUnsafe(16)

/**
 * Like {@link keyOf}, but the result is valid only until the next call. The reuse of one buffer saves the 0.2 µs that a new
 * buffer costs. A statement copies the values that it binds, so the reuse is safe.
 */
export function lentKeyOf(id: OccurrenceId): OccurrenceKey {
  return written(lent, id)
}

function written(bytes: Buffer, id: OccurrenceId): OccurrenceKey {
  return id.startsWith('occ_') && codec1.writeId(bytes, 0, id) ? bytes : id
}

/** Returns the id of a stored key. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  return typeof key === 'string' ? (key as OccurrenceId) : codec1.readOccurrenceId(key, 0)
}
