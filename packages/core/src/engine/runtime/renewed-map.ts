/**
 * A map for short-lived entries. After some additions, it copies its entries to a new `Map` (decision 0020). The reason: when
 * V8 grows a `Map`, it leaves an obsolete table. Until a full garbage collection, this table can keep entries alive that were
 * added and deleted later.
 *
 * An iteration may miss entries that are added during the iteration. It may yield entries that are deleted during the
 * iteration.
 *
 * @see https://github.com/v8/v8/blob/main/src/objects/ordered-hash-table.h on obsolete tables
 */
export class RenewedMap<K, V> {
  #map = new Map<K, V>()
  #additions = 0

  get size(): number {
    return this.#map.size
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    this.#additions++
    // At least 64 additions lie between two copies of the map, so that copies cost little.
    if (this.#additions > Math.max(64, 2 * this.#map.size)) {
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

  /** Returns the entry that was added first; `undefined`: the map is empty. */
  first(): readonly [key: K, value: V] | undefined {
    for (const entry of this.#map) return entry
    return undefined
  }
}
