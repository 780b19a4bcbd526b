import type { OccurrenceId } from '@jobistemer/core'
import { codec1 } from '@jobistemer/core/storage'

/** An occurrence's id as it is stored: the 16 bytes of its UUID; an id of another form as its text. */
export type OccurrenceKey = Buffer | string

/** The form in which an id is stored. Equal ids have equal keys, in the same order as the ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  return written(Buffer.allocUnsafe(16), id)
}

const lent = Buffer.allocUnsafe(16)

/** As {@link keyOf}, valid until the next call. A statement copies what it binds, and a new buffer takes 0.2 µs. */
export function lentKeyOf(id: OccurrenceId): OccurrenceKey {
  return written(lent, id)
}

function written(bytes: Buffer, id: OccurrenceId): OccurrenceKey {
  return id.startsWith('occ_') && codec1.writeId(bytes, 0, id) ? bytes : id
}

/** The id that is stored in this form. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  return typeof key === 'string' ? (key as OccurrenceId) : codec1.readOccurrenceId(key, 0)
}
