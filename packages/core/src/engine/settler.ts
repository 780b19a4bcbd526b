import type { SettleAnswer, SettleItem } from '../storage/storage.ts'
import { afterThisTurn } from '../system-clock.ts'
import type { EngineContext } from './engine-context.ts'
import { EngineStopped } from './storage-caller.ts'

/** Somebody who has something to say of a running occurrence. */
export interface Settling {
  /** What there is to say by now, or `null` when that has changed. */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
}

/**
 * Group commit: what is to be said while a call is under way, or within the present turn of the event loop, goes out
 * together in the next call.
 */
export class Settler {
  readonly #engine: EngineContext
  #waiting: Settling[] = []
  #flushing = false

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  /** Once per thing to say: the item is asked for when the call is put together. */
  enqueue(settling: Settling): void {
    this.#waiting.push(settling)
    if (this.#flushing) return
    this.#flushing = true
    afterThisTurn(() => {
      this.#flush().catch((error) => this.#engine.fail('settle', error))
    })
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const group = this.#waiting.splice(0, this.#engine.maxBatch)
        await this.#send(group)
      }
    } catch (error) {
      if (!(error instanceof EngineStopped)) throw error
    } finally {
      this.#flushing = false
    }
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
    }
    if (items.length === 0) return
    const answers = await this.#engine.storage.repeated('settle', (storage) => storage.settle({ now, items }))
    for (let index = 0; index < speakers.length; index++) {
      speakers[index]?.settled(items[index] as SettleItem, answers[index] as SettleAnswer)
    }
  }
}
