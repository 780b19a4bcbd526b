import type { OccurrenceId } from '@jobistemer/core'

/** An occurrence's id as it is stored: the 16 bytes of its UUID; an id of another form as its text. */
export type OccurrenceKey = Buffer | string

const prefix = 'occ_'
const idLength = 40
/** Where the two digits of each byte stand in an id. */
const digitPositions = [4, 6, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 32, 34, 36, 38] as const
const dashPositions = [12, 17, 22, 27] as const
const dash = 45

// Values of the digits 0-9 and a-f by their character code; 16 and above for anything else.
const digitValues = new Uint8Array(128).fill(16)
for (let value = 0; value < 16; value++) digitValues[value.toString(16).charCodeAt(0)] = value

/** The form in which an id is stored. Equal ids have equal keys, in the same order as the ids. */
export function keyOf(id: OccurrenceId): OccurrenceKey {
  if (id.length !== idLength || !id.startsWith(prefix)) return id
  for (const position of dashPositions) if (id.charCodeAt(position) !== dash) return id
  const bytes = Buffer.allocUnsafe(16)
  for (let index = 0; index < 16; index++) {
    const position = digitPositions[index] as number
    const high = digitValues[id.charCodeAt(position)] ?? 16
    const low = digitValues[id.charCodeAt(position + 1)] ?? 16
    // Capital digits would come back as small ones, so such an id stays a text.
    if (high > 15 || low > 15) return id
    bytes[index] = high * 16 + low
  }
  return bytes
}

/** The id that is stored in this form. */
export function idOf(key: OccurrenceKey): OccurrenceId {
  if (typeof key === 'string') return key as OccurrenceId
  const hex = key.toString('hex')
  return `occ_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
