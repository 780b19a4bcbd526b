import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** Somebody who has something to say of a running occurrence. */
export interface Settling {
  /** What there is to say by now, or `null` when that has changed. */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
  /** The storage can never take what was said. */
  refused(error: unknown): void
}

/** Batches what executions have to say. The items of one execution leave one after the other. */
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

  /** Once per thing to say: the item is asked for when the call is put together. */
  enqueue(settling: Settling): void {
    this.#settles.add(settling)
  }
}

/** Between two attempts the node may have learned that it must take nothing. */
function sentAgain(engine: EngineContext, items: readonly SettleItem[]): readonly SettleItem[] {
  engine.now()
  return engine.isHeldBack ? items.map(withoutTaking) : items
}

function withoutTaking({ takeNext, ...item }: SettleItem): SettleItem {
  return item
}

/** An earlier sending may have taken what no answer told of. */
function asRepeated(item: SettleItem, answer: SettleAnswer): SettleAnswer {
  const mayHaveTaken = item.takeNext !== undefined && answer.outcome === 'ok' && answer.taken === undefined
  return mayHaveTaken ? { ...answer, repeated: true } : answer
}
