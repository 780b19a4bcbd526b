/** So many additions a map sees at least. */
const leastAdditions = 64

/**
 * A map for what comes and goes all the time.
 *
 * A table that V8 has replaced points to the next one, and to what it held. Once one of these has come into the old part of the
 * heap, all that was in the tables after it lives until the next full collection. So after some additions another map takes
 * over, to which nothing old points, see decision 0020.
 *
 * An iteration does not go through what is added meanwhile, and may come to what was deleted meanwhile.
 *
 * @see https://github.com/v8/v8/blob/main/src/objects/ordered-hash-table.h on obsolete tables
 */
export class RenewedMap<K, V> {
  #map = new Map<K, V>()
  #additions = 0

  get size(): number {
    return this.#map.size
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    this.#additions++
    if (this.#additions > Math.max(leastAdditions, 2 * this.#map.size)) {
      this.#map = new Map(this.#map)
      this.#additions = 0
    }
    this.#map.set(key, value)
  }

  delete(key: K): boolean {
    return this.#map.delete(key)
  }

  keys(): MapIterator<K> {
    return this.#map.keys()
  }

  values(): MapIterator<V> {
    return this.#map.values()
  }

  /** What was added first. */
  first(): readonly [key: K, value: V] | undefined {
    for (const entry of this.#map) return entry
    return undefined
  }
}
