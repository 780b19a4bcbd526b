/**
 * Unique to one start of one process, or to one request; `chance` is in `[0, 1)`. Nothing that nodes must agree on derives
 * from it.
 */
export function uniqueSuffix(chance: number): string {
  return Math.floor(chance * 2 ** 48)
    .toString(36)
    .padStart(10, '0')
}
