import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { AfterTurn } from '../loop/after-turn.ts'
import { failInBackground } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { mayCall } from '../loop/group-commit.ts'
import { ItemRefused } from '../loop/item-calls.ts'
import { RenewedSet } from '../loop/renewed-set.ts'

/** Somebody who has something to say of a running occurrence. */
export interface Settling {
  /** What there is to say by now, or `null` when that has changed. */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
  /** The storage can never take what was said. */
  refused(error: unknown): void
}

/**
 * Group commit: what is to be said while a call is under way, or within the present turn of the event loop, goes out
 * together in the next call.
 */
export class Settler {
  readonly #engine: EngineContext
  #waiting: Settling[] = []
  /** Whose items are in a call that is under way: their next ones come after it. */
  readonly #speaking = new RenewedSet<Settling>()
  #calls = 0
  readonly #flushing: AfterTurn

  constructor(engine: EngineContext) {
    this.#engine = engine
    this.#flushing = new AfterTurn(() => this.#flush())
  }

  /** Once per thing to say: the item is asked for when the call is put together. */
  enqueue(settling: Settling): void {
    this.#waiting.push(settling)
    if (this.#maySend()) this.#flushing.ask()
  }

  #maySend(): boolean {
    return mayCall(this.#calls, this.#waiting.length, this.#engine.worthwhileBatch)
  }

  #flush(): void {
    while (this.#maySend()) {
      const group = this.#takeGroup()
      if (group.length === 0) return
      this.#calls++
      this.#send(group)
        .catch((error) => failInBackground(this.#engine, 'settle', error))
        .finally(() => {
          this.#calls--
          // Not at once: what starts in the place of what has ended goes first.
          if (this.#maySend()) this.#flushing.ask()
        })
    }
  }

  #takeGroup(): Settling[] {
    if (this.#calls === 0 && this.#speaking.size === 0) return this.#waiting.splice(0, this.#engine.maxBatch)
    const group: Settling[] = []
    const left: Settling[] = []
    for (const settling of this.#waiting) {
      const mayGo = group.length < this.#engine.maxBatch && !this.#speaking.has(settling)
      if (mayGo) group.push(settling)
      else left.push(settling)
    }
    this.#waiting = left
    return group
  }

  async #send(group: readonly Settling[]): Promise<void> {
    const now = this.#engine.now()
    const items: SettleItem[] = []
    const speakers: Settling[] = []
    for (const settling of group) {
      const item = settling.takeItem(now)
      if (item === null) continue
      items.push(item)
      speakers.push(settling)
      this.#speaking.add(settling)
    }
    if (items.length === 0) return
    let calls = 0
    const isFirst = () => calls === 1
    const answered = (index: number, answer: SettleAnswer | ItemRefused) => {
      const speaker = speakers[index] as Settling
      this.#speaking.delete(speaker)
      const item = items[index] as SettleItem
      if (answer instanceof ItemRefused) speaker.refused(answer.error)
      else speaker.settled(item, isFirst() ? answer : asRepeated(item, answer))
    }
    const answers = await this.#engine.itemCalls.send(
      'settle',
      items,
      (storage, some) => {
        calls++
        return storage.settle({ now, items: isFirst() ? some : this.#again(some) })
      },
      (index, answer) => {
        answered(index, answer)
        // What it has had to say since was held back.
        this.#flush()
      },
    )
    for (const [index, answer] of answers.entries()) if (answer !== undefined) answered(index, answer)
  }

  /** Between two tries the node may have got to know that it must take nothing. */
  #again(items: readonly SettleItem[]): readonly SettleItem[] {
    this.#engine.now()
    return this.#engine.isHeldBack ? items.map(withoutTaking) : items
  }
}

function withoutTaking({ takeNext, ...item }: SettleItem): SettleItem {
  return item
}

/** An earlier sending may have taken what no answer told of. */
function asRepeated(item: SettleItem, answer: SettleAnswer): SettleAnswer {
  const mayHaveTaken = item.takeNext !== undefined && answer.outcome === 'ok' && answer.taken === undefined
  return mayHaveTaken ? { ...answer, repeated: true } : answer
}
