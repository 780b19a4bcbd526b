// A missing instant is stored as a number beyond all instants, so that scripts need no special case in comparisons. The
// last instant of JavaScript is 8.64e15; 9e15 is still exact as a double.

/** Stored in place of `null` for an event that does not happen: no next slot, or no end. */
export const never = 9e15

/** Stored in place of `null` for a missing lower limit. */
export const always = -9e15

export function orNever(instant: number | null): number {
  return instant ?? never
}

export function instantOf(stored: number): number | null {
  return stored === never || stored === always ? null : stored
}

export function readInstant(bytes: Buffer, offset: number): number | null {
  return instantOf(bytes.readDoubleLE(offset))
}
