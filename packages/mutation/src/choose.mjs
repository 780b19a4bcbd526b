/**
 * Chooses a sample of `count` items. Equal seeds give equal samples, and a larger sample contains the smaller ones.
 * @template Item @param {readonly Item[]} items @param {number} count @param {number} seed @returns {Item[]}
 */
export function choose(items, count, seed) {
  const left = [...items]
  const chosen = []
  let state = seed >>> 0
  while (left.length > 0 && chosen.length < count) {
    // Xorshift generator of Marsaglia, 2003, "Xorshift RNGs". It requires a seed other than 0.
    state = (state || 0x9e3779b9) >>> 0
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    chosen.push(...left.splice((state >>> 0) % left.length, 1))
  }
  return chosen
}
