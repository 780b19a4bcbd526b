import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import { ItemRefused } from './bisecting-calls.ts'
import type { EngineContext } from './engine-context.ts'
import { RenewedSet } from '../runtime/renewed-set.ts'
import type { Asked } from './retrying-storage.ts'

/** Maximum number of concurrent calls of one batcher. */
export const callsAtOnce = 4

/** Number of items from which a batcher sends a further call while another call is in progress. */
export const worthACall = 50

/** The calls of a batcher, and the callbacks for their answers. The batcher awaits none of the callbacks. */
export interface BatchKind<Entry, Item, Answer> {
  readonly operation: string
  /** Number of items from which a further call leaves while another call is in progress. Default {@link worthACall}. */
  readonly worthwhile?: number
  /** Default true. A call that is not retried fails for all entries in it. */
  readonly retries?: boolean
  /** Holds an entry back while an earlier item of the same entry has no answer. Default false. */
  readonly isSerial?: boolean
  /** A call takes no more items once their sizes together exceed this. Default: no bound. */
  readonly maxSize?: number
  sizeOf?(item: Item): number
  /**
   * Returns how many of the waiting entries may leave now. The owner calls `flush` when more may leave. Default: all.
   */
  admit?(waiting: number, oldest: Entry): number
  /** The caller that waits for the answer. If the caller has given up, the entry is not sent. Default: the engine. */
  callerOf?(entry: Entry): Asked
  /** Called once, when the batcher prepares the call. `null`: nothing to send. An error aborts the entry. */
  make(entry: Entry, now: number): Item | null
  /** `attempt` is 1 for the first call with these items. Earlier attempts may have taken effect. */
  send(storage: Storage, items: readonly Item[], now: number, attempt: number): Promise<readonly Answer[]>
  /** `repeated`: an earlier attempt with this item may have taken effect, and its answer was lost. */
  answered(entry: Entry, item: Item, answer: Answer, repeated: boolean): void
  /** The storage rejected the item, and would reject it again. */
  rejected(entry: Entry, item: Item, error: unknown): void
  /** The entry never gets an answer: its caller gave up, the engine stopped, or the storage was closed. */
  aborted?(entry: Entry, error: unknown): void
  /** A call, or the work on an answer, failed. Called once per failure, before `aborted`. */
  failed?(error: unknown): void
  /** The call is over. Entries without an answer are retried alone, see `BisectingCalls`. */
  callEnded?(entries: readonly Entry[]): void
}

type BatcherContext = Pick<EngineContext, 'bisecting' | 'maxBatch' | 'now' | 'storage'>

/**
 * Group commit for calls of one kind. A lone entry leaves after the current turn of the event loop. While a call is in
 * progress, further entries form the next batch. The batch leaves when the call ends, or as soon as it reaches `worthwhile`.
 * With two calls, the storage processes one while the node processes the answer to the other.
 */
export class Batcher<Entry, Item, Answer> {
  readonly #engine: BatcherContext
  readonly #kind: BatchKind<Entry, Item, Answer>
  readonly #enough: number
  readonly #flushing = new AfterTurn(() => this.#flush())
  #waiting: Entry[] = []
  #calls = 0
  /** Calls that failed for callers who wait. They are retried, and later calls do not wait for them. */
  #retried = 0
  /** With `isSerial`: entries with an item that is in a call without an answer. */
  readonly #open = new RenewedSet<Entry>()
  #isStopped = false

  constructor(engine: BatcherContext, kind: BatchKind<Entry, Item, Answer>) {
    this.#engine = engine
    this.#kind = kind
    this.#enough = Math.min(kind.worthwhile ?? worthACall, engine.maxBatch)
  }

  add(entry: Entry): void {
    this.#waiting.push(entry)
    this.flush()
  }

  /** Sends the entries that may leave, after the current turn of the event loop. */
  flush(): void {
    if (this.#isStopped || this.hasRoom(this.#waiting.length)) this.#flushing.ask()
  }

  /** Returns whether a call with `count` items may leave now. */
  hasRoom(count: number): boolean {
    if (this.#retried >= callsAtOnce) return false
    return this.#calls === 0 ? count > 0 : this.#calls < callsAtOnce && count >= this.#enough
  }

  /** Sends these entries now, in one call. Resolves when the call is over. Never rejects. */
  async sendNow(group: readonly Entry[], now: number = this.#engine.now()): Promise<void> {
    const kind = this.#kind
    const entries: Entry[] = []
    const items: Item[] = []
    let size = 0
    // Indexes instead of `entries()`: an iterator allocates for each item.
    for (let index = 0; index < group.length; index++) {
      const entry = group[index] as Entry
      if (kind.maxSize !== undefined && size > kind.maxSize) {
        this.#waiting.unshift(...group.slice(index))
        break
      }
      try {
        kind.callerOf?.(entry).assertWanted()
        const item = kind.make(entry, now)
        if (item === null) {
          this.#open.delete(entry)
          continue
        }
        size += kind.sizeOf?.(item) ?? 0
        entries.push(entry)
        items.push(item)
      } catch (error) {
        kind.aborted?.(entry, error)
      }
    }
    if (items.length === 0) return
    this.#calls++
    let attempts = 0
    let isRetried = false
    const call = async (storage: Storage, some: readonly Item[]): Promise<readonly Answer[]> => {
      try {
        return await kind.send(storage, some, now, ++attempts)
      } catch (error) {
        if (!isRetried && kind.callerOf !== undefined) {
          isRetried = true
          this.#calls--
          this.#retried++
          this.flush()
        }
        throw error
      }
    }
    // Entries that were answered apart from the others, or aborted: each entry ends once.
    const ended = new Set<number>()
    const abort = (index: number, error: unknown): void => {
      if (ended.has(index)) return
      ended.add(index)
      this.#open.delete(entries[index] as Entry)
      kind.aborted?.(entries[index] as Entry, error)
    }
    const later = (index: number, answer: Answer | ItemRefused): void => {
      if (ended.has(index)) return
      ended.add(index)
      this.#answered(entries[index] as Entry, items[index] as Item, answer, true)
      this.flush()
    }
    try {
      const answers = await this.#answersTo(entries, items, call, later)
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index] as Entry
        const answer = answers[index]
        if (answer !== undefined) this.#answered(entry, items[index] as Item, answer, attempts > 1)
        else {
          // An entry that failed alone is answered later.
          const refusal = kind.callerOf?.(entry).refusal ?? null
          if (refusal !== null) abort(index, refusal)
        }
      }
    } catch (error) {
      kind.failed?.(error)
      for (const [index, entry] of entries.entries()) abort(index, kind.callerOf?.(entry).refusal ?? error)
    } finally {
      if (isRetried) this.#retried--
      else this.#calls--
      kind.callEnded?.(entries)
      // After this turn: answers free permits, and due slots have precedence over waiting entries.
      this.flush()
    }
  }

  /** Aborts all waiting entries, and entries that are added later. */
  stop(): void {
    this.#isStopped = true
    this.#flush()
  }

  #flush(): void {
    if (this.#isStopped) {
      for (const entry of this.#waiting.splice(0)) this.#kind.aborted?.(entry, new EngineStopped())
      return
    }
    for (let group = this.#next(); group.length > 0; group = this.#next()) void this.sendNow(group)
  }

  /** Removes and returns the entries of the next call; an empty list if they have to wait. */
  #next(): Entry[] {
    const [oldest] = this.#waiting
    const gathered = Math.min(this.#waiting.length, this.#engine.maxBatch)
    if (oldest === undefined || !this.hasRoom(gathered)) return []
    const count = this.#kind.admit?.(gathered, oldest) ?? gathered
    if (!this.hasRoom(count)) return []
    if (this.#kind.isSerial !== true) return this.#waiting.splice(0, count)
    const group: Entry[] = []
    const left: Entry[] = []
    for (const entry of this.#waiting) {
      if (group.length === count || this.#open.has(entry)) left.push(entry)
      else {
        this.#open.add(entry)
        group.push(entry)
      }
    }
    this.#waiting = left
    return group
  }

  #answered(entry: Entry, item: Item, answer: Answer | ItemRefused, repeated: boolean): void {
    this.#open.delete(entry)
    try {
      if (answer instanceof ItemRefused) this.#kind.rejected(entry, item, answer.error)
      else this.#kind.answered(entry, item, answer, repeated)
    } catch (error) {
      this.#kind.failed?.(error)
      this.#kind.aborted?.(entry, error)
    }
  }

  #answersTo(
    entries: readonly Entry[],
    items: readonly Item[],
    call: (storage: Storage, some: readonly Item[]) => Promise<readonly Answer[]>,
    later: (index: number, answer: Answer | ItemRefused) => void,
  ): Promise<readonly (Answer | undefined)[]> {
    const { bisecting, storage } = this.#engine
    const { operation, retries, callerOf } = this.#kind
    if (retries === false) return storage.once((calls) => call(calls, items))
    const callers = callerOf === undefined ? null : entries.map((entry) => callerOf(entry))
    return bisecting.send(operation, items, call, later, callers)
  }
}

/** An item whose caller awaits a promise. */
interface AwaitedItem<Item, Answer> {
  readonly asked: Asked
  make(now: number): Item
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Batches the items of callers, one item per caller. */
export class CallerBatcher<Item, Answer> {
  readonly #batcher: Batcher<AwaitedItem<Item, Answer>, Item, Answer>

  constructor(
    engine: BatcherContext,
    kind: Pick<BatchKind<AwaitedItem<Item, Answer>, Item, Answer>, 'operation' | 'retries' | 'send'>,
  ) {
    this.#batcher = new Batcher(engine, {
      ...kind,
      callerOf: ({ asked }) => asked,
      make: (one, now) => one.make(now),
      answered: (one, _, answer) => one.resolve(answer),
      rejected: (one, _, error) => one.reject(new ItemRefused(error)),
      aborted: (one, error) => one.reject(error),
    })
  }

  /**
   * Sends one item and resolves with its answer. The batcher calls `make` when it prepares the call. Rejects with the error
   * of `make`, with the refusal if the caller gives up, or with {@link ItemRefused} if the storage rejects the item. A call
   * that is not retried also rejects with the error of the storage.
   */
  send(asked: Asked, make: (now: number) => Item): Promise<Answer> {
    return new Promise((resolve, reject) => this.#batcher.add({ asked, make, resolve, reject }))
  }

  /** Rejects all waiting items. */
  stop(): void {
    this.#batcher.stop()
  }
}

/** Returns the error for a caller whose item the storage has rejected. */
export function refusedItem(error: unknown, what: string, field: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  return new JobistemerError('STORAGE_REFUSED', {
    message: `The storage cannot keep ${what}.`,
    field,
    remedy: 'See the cause. The storage accepted other items meanwhile, so it rejects this item alone.',
    cause: error,
  })
}
