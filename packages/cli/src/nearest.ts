const most = 3

/** Returns the known names that are most similar to a mistyped name, nearest first, at most three. */
export function nearest(meant: string, names: readonly string[]): readonly string[] {
  const wanted = meant.toLowerCase()
  const limit = Math.max(2, Math.floor(meant.length / 3))
  return names
    .map((name) => ({ name, distance: distanceOf(wanted, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((left, right) => left.distance - right.distance || (left.name < right.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name)
}

/**
 * Returns the edit distance: the number of inserted, removed, changed or swapped characters. Returns 1 if `right`
 * contains `left`.
 */
function distanceOf(left: string, right: string): number {
  if (left.length >= 3 && right.includes(left)) return 1
  let earlier: number[] = []
  let before = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const present = [row]
    for (let column = 1; column <= right.length; column++) {
      const isSame = left[row - 1] === right[column - 1]
      const change = (before[column - 1] as number) + (isSame ? 0 : 1)
      let least = Math.min(change, (before[column] as number) + 1, (present[column - 1] as number) + 1)
      const isSwap = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (isSwap) least = Math.min(least, (earlier[column - 2] as number) + 1)
      present.push(least)
    }
    earlier = before
    before = present
  }
  return before[right.length] as number
}
