import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** A sender of settle items for one running occurrence. {@link Execution} implements it. */
export interface Settling {
  /**
   * Returns the item for the next `settle` call. `null`: the occurrence is over on this node, or an open completion holds its
   * settles back.
   */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
  /** The storage rejected the item, and would reject it again. */
  refused(error: unknown): void
}

/** Batches the settle items of executions. An execution has at most one item in progress. */
export class Settler {
  readonly #settles: Batcher<Settling, SettleItem, SettleAnswer>

  constructor(engine: EngineContext) {
    this.#settles = new Batcher(engine, {
      operation: 'settle',
      worthwhile: engine.worthwhileBatch,
      isSerial: true,
      make: (settling, now) => settling.takeItem(now),
      send: (storage, items, now, attempt) =>
        storage.settle({ now, items: attempt === 1 ? items : sentAgain(engine, items) }),
      answered: (settling, item, answer, repeated) =>
        settling.settled(item, repeated ? asRepeated(item, answer) : answer),
      rejected: (settling, _item, error) => settling.refused(error),
      failed: (error) => failInBackground(engine, 'settle', error),
    })
  }

  /** Requests a settle. The settler calls `takeItem` when it sends the batch. */
  enqueue(settling: Settling): void {
    this.#settles.add(settling)
  }
}

/** Returns the items of a repeated call. If the node may start nothing now, the items no longer take a next occurrence. */
function sentAgain(engine: EngineContext, items: readonly SettleItem[]): readonly SettleItem[] {
  // Reads the clocks, as `isHeldBack` requires.
  engine.now()
  return engine.isHeldBack ? items.map(withoutTaking) : items
}

function withoutTaking({ takeNext, ...item }: SettleItem): SettleItem {
  return item
}

/** Marks the answer of a repeated call: an earlier call without an answer may have taken the next occurrence. */
function asRepeated(item: SettleItem, answer: SettleAnswer): SettleAnswer {
  const mayHaveTaken = item.takeNext !== undefined && answer.outcome === 'ok' && answer.taken === undefined
  return mayHaveTaken ? { ...answer, repeated: true } : answer
}
