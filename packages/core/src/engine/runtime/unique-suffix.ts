/** Returns a suffix that is unique to one start of a process, or to one request. `chance`: a random number in `[0, 1)`. */
export function uniqueSuffix(chance: number): string {
  return Math.floor(chance * 2 ** 48)
    .toString(36)
    .padStart(10, '0')
}
