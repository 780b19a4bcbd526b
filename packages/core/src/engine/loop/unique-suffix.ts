/** Unique to one start of one process, or to one request. Nothing that nodes must agree on derives from it. */
export function uniqueSuffix(random: () => number): string {
  return Math.floor(random() * 2 ** 48)
    .toString(36)
    .padStart(10, '0')
}
