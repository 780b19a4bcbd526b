import { sortableInstant } from './keys.ts'

/** A range of instants, and the order of the query. */
export interface InstantRange {
  /** Epoch milliseconds, inclusive. */
  readonly from?: number
  /** Epoch milliseconds, exclusive. */
  readonly to?: number
  readonly order: 'ascending' | 'descending'
}

/** Sort keys, inclusive. */
export interface KeyBounds {
  readonly lower: string
  readonly upper: string
}

/** Between which keys, made of an instant and an id, a page lies that comes behind `place`. */
export function boundsOf({ from, to, order }: InstantRange, place: string | null): KeyBounds {
  // No key has an id of which a `/` alone is left, or one that begins with a `~`.
  let lower = from === undefined ? '-' : `${sortableInstant(from)}/`
  let upper = to === undefined ? '~' : `${sortableInstant(to)}/`
  if (place === null) return { lower, upper }
  // Just after, or just before, every key with this text.
  if (order === 'ascending') lower = max(lower, `${place}~`)
  else upper = upper < place ? upper : before(place)
  return { lower, upper }
}

function max(left: string, right: string): string {
  return left > right ? left : right
}

/** A text that sorts right before: the last character is lowered and followed by the highest one. */
function before(place: string): string {
  return `${place.slice(0, -1)}${String.fromCharCode(place.charCodeAt(place.length - 1) - 1)}~`
}
