import { priorityStepMs } from '../../storage/rules.ts'
import { type HeapEntry, IndexedHeap } from './indexed-heap.ts'

/** A slot on the agenda. */
export interface SlotEntry extends HeapEntry {
  /** As of what waits in the storage. To be changed only while the slot is in no heap. */
  priority: number
}

interface Level<Slot> {
  /** By how much the slots of the level are set forward among those that are due, in milliseconds. */
  readonly forwardMs: number
  readonly heap: IndexedHeap<Slot & SlotEntry>
}

/**
 * Slots by their instants, and those that are due by the order of what waits. A heap for each priority that occurs keeps
 * both: of each, the first comes first either way. So where none has a priority this is one heap.
 */
export class SlotLevels<Slot extends SlotEntry> {
  readonly #levels: Level<Slot>[] = []

  get size(): number {
    let size = 0
    for (const { heap } of this.#levels) size += heap.size
    return size
  }

  /** The earliest. */
  peek(): Slot | undefined {
    let earliest: Slot | undefined
    for (const { heap } of this.#levels) {
      const slot = heap.peek()
      if (slot !== undefined && (earliest === undefined || slot.at < earliest.at)) earliest = slot
    }
    return earliest
  }

  /** Of those that are due the first. */
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

  /** Puts a slot at its instant, moving it when it is there already. */
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
