/** An entry of an {@link IndexedHeap}, which sets `heapIndex`; -1: the entry is in no heap. */
export interface HeapEntry {
  at: number
  heapIndex: number
}

/**
 * A binary heap: its first entry has the least `at`. Each entry keeps its index, so that the heap removes or moves any entry
 * in O(log n) (Cormen et al., Introduction to Algorithms, chapter 6). An entry is in at most one heap.
 */
export class IndexedHeap<T extends HeapEntry> {
  readonly #entries: T[] = []

  peek(): T | undefined {
    return this.#entries[0]
  }

  push(entry: T): void {
    entry.heapIndex = this.#entries.length
    this.#entries.push(entry)
    this.#siftUp(entry.heapIndex)
  }

  /** Removes an entry from this heap. Does nothing if the entry is not in this heap. */
  remove(entry: T): void {
    const index = entry.heapIndex
    if (index < 0 || this.#entries[index] !== entry) return
    entry.heapIndex = -1
    const last = this.#entries.pop() as T
    if (last === entry) return
    this.#entries[index] = last
    last.heapIndex = index
    this.#siftUp(index)
    this.#siftDown(last.heapIndex)
  }

  /** Moves an entry to `at`, or adds it if it is in no heap. */
  update(entry: T, at: number): void {
    const index = entry.heapIndex
    entry.at = at
    if (index < 0) {
      this.push(entry)
      return
    }
    this.#siftUp(index)
    this.#siftDown(entry.heapIndex)
  }

  /**
   * If the `at` of an entry is later than the given instant, sets it to that instant. This never reverses the order of two
   * entries, so the heap stays in order.
   */
  limit(at: number): void {
    for (const entry of this.#entries) entry.at = Math.min(entry.at, at)
  }

  #siftUp(from: number): void {
    const entries = this.#entries
    const entry = entries[from] as T
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = entries[parentIndex] as T
      if (parent.at <= entry.at) break
      entries[index] = parent
      parent.heapIndex = index
      index = parentIndex
    }
    entries[index] = entry
    entry.heapIndex = index
  }

  #siftDown(from: number): void {
    const entries = this.#entries
    const entry = entries[from] as T
    const length = entries.length
    let index = from
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= length) break
      const right = entries[childIndex + 1]
      let child = entries[childIndex] as T
      if (right !== undefined && right.at < child.at) {
        child = right
        childIndex++
      }
      if (entry.at <= child.at) break
      entries[index] = child
      child.heapIndex = index
      index = childIndex
    }
    entries[index] = entry
    entry.heapIndex = index
  }
}
