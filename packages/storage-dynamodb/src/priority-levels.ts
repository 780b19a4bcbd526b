import { type Item, number, numberOf, text } from './attributes.ts'
import { keyItem, keyOf, type Keys, levelOfKey } from './keys.ts'
import { names } from './occurrence-item.ts'
import type { Requests } from './requests.ts'

// Pending occurrences with a priority lie in partitions of the index of their own, two for each level. Within a partition,
// the order of due occurrences is the order of starts, whatever waits in other partitions. Markers name the levels that a
// namespace has used. They lie at the front of the first partition without a priority, so a claim reads them in passing. A
// namespace without priorities costs no further reads or writes.

/** Where markers lie: before the first instant that a `Date` has. */
const markerOrder = -9e15

/** Bounds for queries of the partitions of what is pending: those with the markers alone, and all behind them. */
export const onlyMarkers: { readonly to: number } = { to: markerOrder }
export const noMarkers: { readonly from: number } = { from: markerOrder + 1 }

export function isMarker(item: Item): boolean {
  return numberOf(item, names.liveOrder) === markerOrder
}

/** The levels that the markers among these items stand for. */
export function levelsAmong(items: readonly Item[]): readonly number[] {
  return items.filter(isMarker).map((item) => levelOfKey(keyOf(item)))
}

interface Place {
  readonly requests: Requests
  readonly keys: Keys
}

/** Which levels there are, as far as this process knows. */
export class PriorityLevels {
  readonly #known: Set<number> = new Set()
  /** Levels that have a stored marker. */
  readonly #marked: Set<number> = new Set()

  /** Without 0, highest first. */
  get known(): readonly number[] {
    return [...this.#known].sort((left, right) => right - left)
  }

  /**
   * Notes the markers among the items of a page that begins with all of them. If a marker is missing, because the table was
   * emptied, the next occurrence of its level writes it again.
   */
  saw(page: readonly Item[]): void {
    this.#marked.clear()
    for (const level of levelsAmong(page)) {
      this.#known.add(level)
      this.#marked.add(level)
    }
  }

  /** To be called before an occurrence of the level is stored as pending. */
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
