import type { OccurrenceId } from '@jobistemer/core'
import { codec1 } from '@jobistemer/core/storage'

/** An occurrence's id as it is stored: the 16 bytes of its UUID; an id of another form as its text. */
export type OccurrenceKey = Buffer | string

/** The form in which an id is stored. Equal ids have equal keys, in the same order as the ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  const bytes = Buffer.allocUnsafe(16)
  return id.startsWith('occ_') && codec1.writeId(bytes, 0, id) ? bytes : id
}

/** The id that is stored in this form. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  return typeof key === 'string' ? (key as OccurrenceId) : codec1.readOccurrenceId(key, 0)
}
