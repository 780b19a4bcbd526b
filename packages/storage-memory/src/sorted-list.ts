const blockSize = 512

/**
 * Compares two items. Returns a negative number if `left` comes first, and a positive number if `right` comes first.
 * Returns zero only for an item and itself.
 */
export type Compare<T> = (left: T, right: T) => number

/**
 * A list that stays sorted. The list consists of short sorted blocks. To add or remove an item, the list finds the
 * item's block by a binary search. The list then moves only items of this block.
 *
 * The caller must not change an item in the list in a way that changes its order.
 */
export class SortedList<T> {
  readonly #compare: Compare<T>
  readonly #blocks: T[][] = []
  #size = 0

  constructor(compare: Compare<T>) {
    this.#compare = compare
  }

  get size(): number {
    return this.#size
  }

  /** Returns the first `limit` items. */
  firstOnes(limit: number): readonly T[] {
    const first = this.#blocks[0]?.[0]
    if (first === undefined || limit <= 0) return []
    if (limit === 1) return [first]
    const found: T[] = []
    for (const item of this.ascending()) {
      found.push(item)
      if (found.length === limit) break
    }
    return found
  }

  /** Adds an item. The item must not be in the list. */
  add(item: T): void {
    this.#size++
    const blocks = this.#blocks
    const last = blocks.at(-1)
    if (last === undefined) {
      blocks.push([item])
      return
    }
    if (last.length === 0 || this.#compare(last[last.length - 1] as T, item) < 0) {
      if (last.length < blockSize) last.push(item)
      else blocks.push([item])
      return
    }
    const index = this.#blockOf(item)
    const block = blocks[index] as T[]
    block.splice(this.#lowerBound(block, item), 0, item)
    if (block.length > blockSize) blocks.splice(index + 1, 0, block.splice(blockSize / 2))
  }

  /** Deletes an item. Returns false if the item is not in the list. */
  delete(item: T): boolean {
    const blocks = this.#blocks
    const index = this.#blockOf(item)
    const block = blocks[index]
    if (block === undefined) return false
    const position = this.#lowerBound(block, item)
    if (block[position] !== item) return false
    if (position === block.length - 1) block.pop()
    else if (position === 0) block.shift()
    else block.splice(position, 1)
    // Keeps an empty block if it is the only one. Many lists often change between no item and one item, and would
    // create a block each time.
    if (block.length === 0 && blocks.length > 1) blocks.splice(index, 1)
    this.#size--
    return true
  }

  /** Yields items in order, beginning with the first item that is not before `from`. The list must not change meanwhile. */
  *ascending(from?: T): Generator<T, void, undefined> {
    const blocks = this.#blocks
    let index = from === undefined ? 0 : this.#blockOf(from)
    let position = from === undefined ? 0 : this.#lowerBound(blocks[index] ?? [], from)
    for (; index < blocks.length; index++, position = 0) {
      const block = blocks[index] as T[]
      for (; position < block.length; position++) yield block[position] as T
    }
  }

  /** Yields items in reverse order, beginning with the last item before `before`. The list must not change meanwhile. */
  *descending(before?: T): Generator<T, void, undefined> {
    const blocks = this.#blocks
    let index = blocks.length - 1
    let position = (blocks[index]?.length ?? 0) - 1
    if (before !== undefined && index >= 0) {
      index = Math.min(this.#blockOf(before), index)
      position = this.#lowerBound(blocks[index] as T[], before) - 1
    }
    while (index >= 0) {
      const block = blocks[index] as T[]
      for (; position >= 0; position--) yield block[position] as T
      index--
      position = (blocks[index]?.length ?? 0) - 1
    }
  }

  /**
   * Returns the index of the first block whose last item is not before `key`, or the number of blocks if no block has
   * such an item.
   */
  #blockOf(key: T): number {
    const blocks = this.#blocks
    let low = 0
    let high = blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const block = blocks[middle] as T[]
      if (block.length === 0 || this.#compare(block[block.length - 1] as T, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #lowerBound(block: readonly T[], key: T): number {
    let low = 0
    let high = block.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(block[middle] as T, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
