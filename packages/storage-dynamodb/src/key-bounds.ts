import { sortableInstant } from './keys.ts'

/** A range of instants, and the order in which a query returns it. */
export interface InstantRange {
  /** Epoch milliseconds, inclusive. */
  readonly from?: number
  /** Epoch milliseconds, exclusive. */
  readonly to?: number
  readonly order: 'ascending' | 'descending'
}

/** The lowest and the highest sort key of a query, both inclusive. */
export interface KeyBounds {
  readonly lower: string
  readonly upper: string
}

/**
 * Returns the bounds of the sort keys of one page. `place`: the sort key after which the page begins; `null` for the
 * first page. A sort key consists of an instant and an id.
 */
export function boundsOf({ from, to, order }: InstantRange, place: string | null): KeyBounds {
  // In a sort key an id follows the `/`, so the bound `instant/` sorts before all keys of that instant. No key begins with
  // `~`.
  let lower = from === undefined ? '-' : `${sortableInstant(from)}/`
  let upper = to === undefined ? '~' : `${sortableInstant(to)}/`
  if (place === null) return { lower, upper }
  // The bound lies directly after (ascending) or before (descending) every key that begins with `place`.
  if (order === 'ascending') lower = max(lower, `${place}~`)
  else upper = upper < place ? upper : before(place)
  return { lower, upper }
}

function max(left: string, right: string): string {
  return left > right ? left : right
}

/**
 * Returns a text that sorts directly before `place`: the last character is lowered and followed by `~`, the highest
 * character.
 */
function before(place: string): string {
  return `${place.slice(0, -1)}${String.fromCharCode(place.charCodeAt(place.length - 1) - 1)}~`
}
