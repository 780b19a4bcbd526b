import { type Item, number, numberOf, text } from './attributes.ts'
import { keyItem, keyOf, type Keys, levelOfKey } from './keys.ts'
import { names } from './occurrence-item.ts'
import type { Requests } from './requests.ts'

// Pending occurrences with a priority lie in separate partitions of the index, two for each level. Within a partition,
// the order of due instants is the order of starts, whatever waits in other partitions. Markers name the levels that a
// namespace has used. Markers sort first in the first partition without a priority, so a claim reads the markers
// without an additional request. A namespace without priorities costs no further reads or writes.

/** The sort instant of markers: before the first instant that a `Date` can represent. */
const markerOrder = -9e15

/**
 * Bounds of queries for pending occurrences: {@link onlyMarkers} covers only the markers, and {@link noMarkers} covers
 * everything after them.
 */
export const onlyMarkers: { readonly to: number } = { to: markerOrder }
export const noMarkers: { readonly from: number } = { from: markerOrder + 1 }

export function isMarker(item: Item): boolean {
  return numberOf(item, names.liveOrder) === markerOrder
}

/** Returns the priority levels that the markers among these items name. */
export function levelsAmong(items: readonly Item[]): readonly number[] {
  return items.filter(isMarker).map((item) => levelOfKey(keyOf(item)))
}

interface Place {
  readonly requests: Requests
  readonly keys: Keys
}

/** The priority levels that this process knows to be in use. */
export class PriorityLevels {
  readonly #known: Set<number> = new Set()
  /** Priority levels that have a stored marker. */
  readonly #marked: Set<number> = new Set()

  /** The known priority levels other than 0, highest first. */
  get known(): readonly number[] {
    return [...this.#known].sort((left, right) => right - left)
  }

  /**
   * Remembers the priority levels that the markers of a page name. The page must begin with all markers. If a marker is
   * missing, because the table was emptied, the next occurrence of that level writes the marker again.
   */
  saw(page: readonly Item[]): void {
    this.#marked.clear()
    for (const level of levelsAmong(page)) {
      this.#known.add(level)
      this.#marked.add(level)
    }
  }

  /**
   * Stores the marker of a level. Before the caller stores a pending occurrence of the level, it must wait until `mark` has
   * resolved.
   */
  async mark({ requests, keys }: Place, level: number): Promise<void> {
    this.#known.add(level)
    if (this.#marked.has(level)) return
    const item: Item = {
      ...keyItem(keys.priorityLevel(level)),
      [names.livePartition]: text(keys.livePartition('pending', 0)),
      [names.liveOrder]: number(markerOrder),
    }
    await requests.put({ Item: item })
    this.#marked.add(level)
  }
}
