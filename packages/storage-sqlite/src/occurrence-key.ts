import type { OccurrenceId } from '@jobistemer/core'

/** An occurrence's id as it is stored: the 16 bytes of its UUID; an id of another form as its text. */
export type OccurrenceKey = Buffer | string

const prefix = 'occ_'
const idLength = 40
const dash = 45

// Values of the digits 0-9 and a-f by their character code; above 15 for anything else.
const digitValues = new Uint8Array(65_536).fill(16)
for (let value = 0; value < 16; value++) digitValues[value.toString(16).charCodeAt(0)] = value

/** The form in which an id is stored. Equal ids have equal keys, in the same order as the ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  if (id.length !== idLength || !id.startsWith(prefix)) return id
  const bytes = Buffer.allocUnsafe(16)
  let seen = 0
  let position = prefix.length
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) {
      if (id.charCodeAt(position++) !== dash) return id
    }
    const high = digitValues[id.charCodeAt(position++)] as number
    const low = digitValues[id.charCodeAt(position++)] as number
    seen |= high | low
    bytes[index] = (high << 4) | low
  }
  // Anything but small hexadecimal digits, capital ones too, would come back changed: such an id stays a text.
  return seen > 15 ? id : bytes
}

/** The id that is stored in this form. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  if (typeof key === 'string') return key as OccurrenceId
  const hex = key.toString('hex')
  return `occ_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
