import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { AfterTurn } from './after-turn.ts'
import { EngineStopped } from './background-loop.ts'
import type { EngineContext } from './engine-context.ts'
import { callsAtOnce, mayCall, worthACall } from './group-commit.ts'
import { ItemRefused } from './item-calls.ts'
import type { Asked } from './storage-caller.ts'

/** What is larger than that together goes out in several calls: each is put together, and read, at one stretch. */
const mostCharacters = 1_000_000

/** What kind of calls gather. */
interface GatheredKind<Item, Answer> {
  readonly operation: string
  readonly call: (storage: Storage, items: readonly Item[], now: number) => Promise<readonly Answer[]>
  /** A call that fails is repeated, as long as somebody waits. Otherwise it fails for all whose items are in it. */
  readonly isRepeated: boolean
  /** How many characters an item takes, about, besides what all of them take. Default: none. */
  readonly sizeOf?: (item: Item) => number
  /**
   * How many of so many that wait may go now; the oldest has waited so long. Whoever says fewer says `flush` when that
   * changes. Default: all.
   */
  readonly admit?: (waiting: number, waitedMs: number) => number
}

/** What waits for its call. */
export interface Gathered<Item, Answer> {
  readonly asked: Asked
  /** Monotonic instant. */
  readonly since: number
  /** Makes the item when its call is put together. */
  prepare(now: number): Item
  /** Called once, and throws nothing. */
  resolve(answer: Answer): void
  /** Called once, and throws nothing. */
  reject(error: unknown): void
}

/**
 * Group commit for what many callers ask for at the same time, one item each. A lone item leaves at once. While a call
 * is under way the next ones gather, and leave together. Each caller waits for its own item alone: it may give up, and
 * its item may be refused, without the others noticing.
 */
export class GatheredCalls<Item, Answer> {
  readonly #engine: Pick<EngineContext, 'clock' | 'itemCalls' | 'maxBatch' | 'now' | 'storage'>
  readonly #kind: GatheredKind<Item, Answer>
  readonly #enough: number
  #waiting: Gathered<Item, Answer>[] = []
  #calls = 0
  /** Calls that have failed, and are repeated: what comes after them is no worse for it, and does not wait for them. */
  #repeated = 0
  #isStopped = false
  readonly #flushing = new AfterTurn(() => this.#flush())

  constructor(
    engine: Pick<EngineContext, 'clock' | 'itemCalls' | 'maxBatch' | 'now' | 'storage'>,
    kind: GatheredKind<Item, Answer>,
  ) {
    this.#engine = engine
    this.#kind = kind
    this.#enough = Math.min(worthACall, engine.maxBatch)
  }

  /**
   * The answer to one item, which `prepare` makes when its call is put together. Rejects with what `prepare` throws,
   * with the caller's refusal when that one waits no more, with {@link ItemRefused} when the storage can never take it,
   * and with the error of a call that is not repeated.
   */
  send(asked: Asked, prepare: (now: number) => Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.put({ asked, since: this.#engine.clock.monotonic(), prepare, resolve, reject })
    })
  }

  /** As {@link send}, for whoever has an object for each item anyhow. */
  put(one: Gathered<Item, Answer>): void {
    this.#waiting.push(one)
    this.flush()
  }

  /** Sends what may go, once the present turn of the event loop is over. */
  flush(): void {
    this.#flushing.ask()
  }

  /** Nothing more is sent: what waits is told so. */
  stop(): void {
    this.#isStopped = true
    this.#flush()
  }

  #flush(): void {
    if (this.#isStopped) {
      for (const one of this.#waiting.splice(0)) one.reject(new EngineStopped())
      return
    }
    for (let count = this.#count(); count > 0; count = this.#count()) void this.#send(this.#waiting.splice(0, count))
  }

  /** How many go out now. */
  #count(): number {
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#repeated >= callsAtOnce) return 0
    const gathered = Math.min(this.#waiting.length, this.#engine.maxBatch)
    if (!mayCall(this.#calls, gathered, this.#enough)) return 0
    const { admit } = this.#kind
    if (admit === undefined) return gathered
    const admitted = admit(gathered, this.#engine.clock.monotonic() - oldest.since)
    return mayCall(this.#calls, admitted, this.#enough) ? admitted : 0
  }

  async #send(group: readonly Gathered<Item, Answer>[]): Promise<void> {
    const now = this.#engine.now()
    const items: Item[] = []
    const sent: Gathered<Item, Answer>[] = []
    let size = 0
    for (const [index, one] of group.entries()) {
      if (size > mostCharacters) {
        this.#waiting.unshift(...group.slice(index))
        break
      }
      try {
        one.asked.assertWanted()
        const item = one.prepare(now)
        size += this.#kind.sizeOf?.(item) ?? 0
        items.push(item)
        sent.push(one)
      } catch (error) {
        one.reject(error)
      }
    }
    if (items.length === 0) return
    let hasFailed = false
    const call = async (storage: Storage, some: readonly Item[]): Promise<readonly Answer[]> => {
      try {
        return await this.#kind.call(storage, some, now)
      } catch (error) {
        if (!hasFailed) {
          hasFailed = true
          this.#calls--
          this.#repeated++
          this.flush()
        }
        throw error
      }
    }
    this.#calls++
    try {
      await this.#answer(sent, items, call)
    } catch (error) {
      for (const one of sent) one.reject(one.asked.refusal ?? error)
    } finally {
      if (hasFailed) this.#repeated--
      else this.#calls--
      // After the turn, since the answers make room, and who got them may ask for more.
      this.flush()
    }
  }

  async #answer(
    sent: readonly Gathered<Item, Answer>[],
    items: readonly Item[],
    call: (storage: Storage, some: readonly Item[]) => Promise<readonly Answer[]>,
  ): Promise<void> {
    const { itemCalls, storage } = this.#engine
    const { operation, isRepeated } = this.#kind
    if (!isRepeated) {
      const answers = await storage.once((calls) => call(calls, items))
      for (const [index, one] of sent.entries()) one.resolve(answers[index] as Answer)
      return
    }
    const later = (index: number, answer: Answer | ItemRefused): void => {
      if (answer instanceof ItemRefused) sent[index]?.reject(answer)
      else sent[index]?.resolve(answer)
    }
    const answers = await itemCalls.send(
      operation,
      items,
      call,
      later,
      sent.map(({ asked }) => asked),
    )
    for (const [index, one] of sent.entries()) {
      const answer = answers[index]
      if (answer !== undefined) one.resolve(answer)
      else if (one.asked.refusal !== null) one.reject(one.asked.refusal)
      // Otherwise it has failed alone, and is told later.
    }
  }
}

/** What the caller is told whose item the storage can never take. */
export function refusedItem({ error }: ItemRefused, what: string, field: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  return new JobistemerError('STORAGE_REFUSED', {
    message: `The storage cannot keep ${what}.`,
    field,
    remedy: 'See the cause. Others were stored meanwhile, so it is this one that it refuses.',
    cause: error,
  })
}
