import { priorityStepMs } from '../../storage/rules.ts'
import { type HeapEntry, IndexedHeap } from './indexed-heap.ts'

/** A slot on the agenda. */
export interface SlotEntry extends HeapEntry {
  /** The priority of the job, as for waiting occurrences. It may change only while the slot is in no heap. */
  priority: number
}

interface Level<Slot> {
  /** Milliseconds by which the priority of the level moves its slots forward among due slots. */
  readonly forwardMs: number
  readonly heap: IndexedHeap<Slot & SlotEntry>
}

/**
 * Slots in two orders. All slots are in order by instant. Among due slots, each level of priority moves a slot forward by
 * {@link priorityStepMs}. There is one heap per priority that has been used. The first slot of a heap is the first of its
 * priority in both orders. Without priorities there is a single heap.
 */
export class SlotLevels<Slot extends SlotEntry> {
  readonly #levels: Level<Slot>[] = []

  get size(): number {
    let size = 0
    for (const { heap } of this.#levels) size += heap.size
    return size
  }

  /** Returns the slot with the earliest instant. */
  peek(): Slot | undefined {
    let earliest: Slot | undefined
    for (const { heap } of this.#levels) {
      const slot = heap.peek()
      if (slot !== undefined && (earliest === undefined || slot.at < earliest.at)) earliest = slot
    }
    return earliest
  }

  /** Returns the first due slot by instant and priority. */
  peekDue(now: number): Slot | undefined {
    let first: Slot | undefined
    let firstOrder = Number.POSITIVE_INFINITY
    for (const { heap, forwardMs } of this.#levels) {
      const slot = heap.peek()
      if (slot === undefined || slot.at > now || slot.at - forwardMs >= firstOrder) continue
      first = slot
      firstOrder = slot.at - forwardMs
    }
    return first
  }

  /** Adds a slot at its instant, or moves it. */
  update(slot: Slot, at: number): void {
    this.#levelOf(slot).heap.update(slot, at)
  }

  remove(slot: Slot): void {
    this.#levelOf(slot).heap.remove(slot)
  }

  #levelOf({ priority }: SlotEntry): Level<Slot> {
    const forwardMs = priority * priorityStepMs
    for (const level of this.#levels) if (level.forwardMs === forwardMs) return level
    const level: Level<Slot> = { forwardMs, heap: new IndexedHeap() }
    this.#levels.push(level)
    return level
  }
}
