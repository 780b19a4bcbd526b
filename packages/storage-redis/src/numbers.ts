// A missing instant is stored as a number beyond all instants, so that scripts compare without a special case. The last instant
// of JavaScript is 8.64e15, and 9e15 is still exact as a double.

/** Stands for `null` where it means that something does not happen: no next slot, not ended. */
export const never = 9e15

/** Stands for `null` where it means that there is no lower limit. */
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
