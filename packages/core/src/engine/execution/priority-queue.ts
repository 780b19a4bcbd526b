/** An entry of a {@link PriorityQueue}. */
export interface Prioritized {
  /** The order of waiting work in the storage: the least leaves the queue first. */
  readonly orderAt: number
}

interface Entry<T> {
  readonly item: T
  /** Instant of the monotonic clock at which the item joined. */
  readonly since: number
}

/**
 * Items by `orderAt`; items with equal `orderAt` in the order of arrival. Items are sorted on insertion, because the queue
 * holds few items and nearly all of them join at the end.
 */
export class PriorityQueue<T extends Prioritized> {
  readonly #entries: Entry<T>[] = []

  get size(): number {
    return this.#entries.length
  }

  add(item: T, since: number): void {
    const entries = this.#entries
    let index = entries.length
    while (index > 0 && (entries[index - 1] as Entry<T>).item.orderAt > item.orderAt) index--
    entries.splice(index, 0, { item, since })
  }

  /** Removes the first item and returns it. */
  shift(): T | undefined {
    return this.#entries.shift()?.item
  }

  delete(item: T): void {
    const index = this.#entries.findIndex((entry) => entry.item === item)
    if (index >= 0) this.#entries.splice(index, 1)
  }

  /** The entries in the order of arrival. */
  byWait(): readonly Entry<T>[] {
    return this.#entries.toSorted((left, right) => left.since - right.since)
  }
}
