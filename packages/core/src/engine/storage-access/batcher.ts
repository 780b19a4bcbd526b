import { callsAtOnce, worthACall } from './tuning.ts'
import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import { ItemRefused } from './bisecting-calls.ts'
import type { EngineContext } from './engine-context.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import type { Asked } from './retrying-storage.ts'

/**
 * The calls of a batcher, and the callbacks for their answers. The batcher awaits only `send`. An entry is a value that the
 * owner adds. An item is the value that `make` creates from an entry for one storage call.
 */
export interface BatchKind<Entry, Item, Answer> {
  readonly operation: string
  /** If this many items wait, a further call leaves while another call is in progress. Default {@link worthACall}. */
  readonly worthwhile?: number
  /** Whether a failed call is retried. Default true. False: each call is sent once, and its error aborts all entries in it. */
  readonly retries?: boolean
  /** Whether an entry waits while an earlier item of the same entry has no answer. Default false. */
  readonly isSerial?: boolean
  /** If the sizes of a call's items together exceed this number, the call takes no further item. Default: no limit. */
  readonly maxSize?: number
  sizeOf?(item: Item): number
  /** Returns how many of the waiting entries may leave now. When more may leave, the owner calls `flush`. Default: all. */
  admit?(waiting: number, oldest: Entry): number
  /**
   * Returns the caller that waits for the answer. If the caller has given up, the entry is not sent. Default: no caller waits,
   * because the engine itself made the entry.
   */
  callerOf?(entry: Entry): Asked
  /**
   * Called when the batcher prepares the call; retries send the same item. `null`: the entry has nothing to send, and no
   * callback follows. If `make` throws, `aborted` receives the error, or `failed` if there is no `aborted`.
   */
  make(entry: Entry, now: number): Item | null
  /**
   * Sends all items of the batch, or some of them after a failure. `now`: the time at which the batcher prepared the call;
   * retries keep it. `attempt`: the number of this call for the batch, from 1. From 2 on, an earlier call may have taken
   * effect.
   */
  send(storage: Storage, items: readonly Item[], now: number, attempt: number): Promise<readonly Answer[]>
  /** Called with the answer to an item. `repeated`: an earlier attempt whose answer was lost may have taken effect. */
  answered(entry: Entry, item: Item, answer: Answer, repeated: boolean): void
  /**
   * Called when the storage has rejected the item and would reject it again. For an entry that has a caller and is retried
   * alone, `error` may also be the reason why its retries ended. Reasons: the caller gave up, the engine stopped, or the
   * storage was closed.
   */
  rejected(entry: Entry, item: Item, error: unknown): void
  /**
   * Called when the entry gets no answer: its caller gave up, the engine stopped, or the storage was closed. Also called if
   * `make` or the work on the answer throws. If the engine stops while an entry without a caller is retried alone, no callback
   * follows.
   */
  aborted?(entry: Entry, error: unknown): void
  /**
   * Called when a batch has ended with an error and is no longer retried, or when `answered` or `rejected` threw. Called once
   * per error, before `aborted`. Not called for failures that are retried.
   */
  failed?(error: unknown): void
  /**
   * Called when the call has ended with its retries. Entries without an answer may still be retried alone, see
   * `BisectingCalls`.
   */
  callEnded?(entries: readonly Entry[]): void
}

type BatcherContext = Pick<EngineContext, 'bisecting' | 'maxBatch' | 'now' | 'storage'>

/**
 * Group commit for calls of one kind. A lone entry leaves after the current turn of the event loop. While a call is in
 * progress, further entries form the next batch. The batch leaves when no call is in progress, or as soon as it reaches
 * `worthwhile` and fewer than {@link callsAtOnce} calls are in progress. Concurrent calls overlap: the storage processes one
 * call while the node processes the answer to another.
 */
export class Batcher<Entry, Item, Answer> {
  readonly #engine: BatcherContext
  readonly #kind: BatchKind<Entry, Item, Answer>
  readonly #enough: number
  readonly #flushing = new AfterTurn(() => this.#flush())
  #waiting: Entry[] = []
  #calls = 0
  /**
   * Number of calls with waiting callers that have failed and are being retried. `#calls` does not count these calls, so an
   * item that the storage rejects does not delay other callers. While {@link callsAtOnce} or more calls are being retried, no
   * further call leaves.
   */
  #retried = 0
  /** With `isSerial`: the entries whose item is in a call that has no answer yet. */
  readonly #open = new RenewedMap<Entry, true>()
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

  /** Sends the entries that may leave now, at the end of the current turn of the event loop. */
  flush(): void {
    if (this.#isStopped || this.hasRoom(this.#waiting.length)) this.#flushing.ask()
  }

  /** Returns whether a call with `count` items may leave now. */
  hasRoom(count: number): boolean {
    if (this.#retried >= callsAtOnce) return false
    return this.#calls === 0 ? count > 0 : this.#calls < callsAtOnce && count >= this.#enough
  }

  /**
   * Sends these entries now, in one call, without regard to `hasRoom`. Entries beyond `maxSize` go back to the head of the
   * waiting entries; with `isSerial` they would never leave, so no kind has both. Resolves when the call has ended with its
   * retries. An entry may still be retried alone. Never rejects.
   */
  async sendNow(group: readonly Entry[], now: number = this.#engine.now()): Promise<void> {
    const kind = this.#kind
    const entries: Entry[] = []
    const items: Item[] = []
    let size = 0
    // The loop uses indexes, because the iterator of `entries()` allocates for each item.
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
        this.#open.delete(entry)
        if (kind.aborted === undefined) kind.failed?.(error)
        else kind.aborted(entry, error)
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
    // Indexes of the entries that have ended: they were answered alone, or aborted. Each entry ends once. So if the caller of
    // an entry gave up, the batcher ignores an answer that arrives later.
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
      const { bisecting, storage } = this.#engine
      const { operation, retries, callerOf } = kind
      const callers = callerOf === undefined ? null : entries.map((entry) => callerOf(entry))
      const answers: readonly (Answer | undefined)[] =
        retries === false
          ? await storage.once((calls) => call(calls, items))
          : await bisecting.send(operation, items, call, later, callers)
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index] as Entry
        const answer = answers[index]
        if (answer !== undefined) this.#answered(entry, items[index] as Item, answer, attempts > 1)
        else {
          // Without an answer here, the caller gave up, or the entry is retried alone and `later` receives its answer.
          const refusal = kind.callerOf?.(entry).refusal ?? null
          if (refusal !== null) abort(index, refusal)
        }
      }
    } catch (error) {
      // If every caller has given up, `error` is the reason of a caller, and the storage has not failed.
      if (entries.some((entry) => (kind.callerOf?.(entry).refusal ?? null) === null)) kind.failed?.(error)
      for (const [index, entry] of entries.entries()) abort(index, kind.callerOf?.(entry).refusal ?? error)
    } finally {
      if (isRetried) this.#retried--
      else this.#calls--
      kind.callEnded?.(entries)
      // `flush` sends the waiting entries after this turn. The answers may have freed permits, and due slots get these permits
      // before waiting requests do.
      this.flush()
    }
  }

  /** Aborts all waiting entries, and entries that are added later. Calls in progress continue. */
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

  /** Removes the entries of the next call from the waiting entries, and returns them. An empty list: no call may leave now. */
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
        this.#open.set(entry, true)
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
}

/** An item whose caller awaits the answer as a promise. */
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
   * Sends one item and resolves with the item's answer. The batcher calls `make` when it prepares the call. Rejects with the
   * error of `make`, with the caller's timeout or abort error if the caller gives up, or with {@link ItemRefused} if the
   * storage rejects the item. If the item is retried alone, `ItemRefused` may also contain the refusal of the caller. In both
   * cases {@link refusedItem} returns the error for the caller. A call that is not retried also rejects with the error of the
   * storage.
   */
  send(asked: Asked, make: (now: number) => Item): Promise<Answer> {
    return new Promise((resolve, reject) => this.#batcher.add({ asked, make, resolve, reject }))
  }

  /** Rejects all items that wait for a call. */
  stop(): void {
    this.#batcher.stop()
  }
}

/**
 * Returns the error for a caller whose item got no answer. `error`: the content of {@link ItemRefused}. An error of this
 * library stays as it is; only a foreign error becomes `STORAGE_REFUSED`.
 */
export function refusedItem(error: unknown, what: string, field: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  return new JobistemerError('STORAGE_REFUSED', {
    message: `The storage cannot keep ${what}.`,
    field,
    remedy: 'See the cause. The storage accepted other items meanwhile, so it rejects this item alone.',
    cause: error,
  })
}
