import { callsAtOnce, enoughFailures, worthACall } from './tuning.ts'
import { type ErrorCode, JobistemerError } from '../../errors.ts'
import { partialAnswers } from '../../storage/adapter-errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import type { EngineContext } from './engine-context.ts'
import { type Asked, movedOn } from './retrying-storage.ts'

/** Error codes of a storage that is unavailable or defective. These errors do not depend on the items of the call. */
const outages: readonly ErrorCode[] = [
  'STORAGE_BUSY',
  'STORAGE_UNREACHABLE',
  'STORAGE_FULL',
  'STORAGE_UNREADABLE',
  'STORAGE_FOREIGN',
  'STORAGE_SCHEMA_NEWER',
  'STORAGE_CLOSED',
  'STORAGE_REPLACED',
  'SCHEDULER_STATE',
]

/**
 * The calls of a batcher, and the callbacks for their answers. The batcher awaits only `send`. An entry is a value that the
 * user of the batcher adds. An item is the value that `make` creates from an entry for one storage call.
 */
export interface BatchKind<Entry, Item, Answer> {
  readonly operation: string
  /**
   * If this many items wait, the batcher sends a further call while another call is in progress. Default {@link worthACall}.
   */
  readonly worthwhile?: number
  /** Whether a failed call is retried. Default true. False: each call is sent once, and its error aborts all its entries. */
  readonly retries?: boolean
  /**
   * Total size of items above which a call takes no further item. The item that exceeds the size stays in the call. Default: no
   * limit.
   */
  readonly maxSize?: number
  sizeOf?(item: Item): number
  /**
   * Returns how many of the waiting entries the batcher may send now. When the batcher may send more entries, the user of the
   * batcher calls `flush`. Default: all.
   */
  admit?(waiting: number, oldest: Entry): number
  /**
   * Returns the caller that waits for the answer. If the caller has given up, the entry is not sent. Default: no caller waits,
   * because the engine itself made the entry.
   */
  callerOf?(entry: Entry): Asked
  /**
   * Makes the item of an entry. Called when the batcher prepares the call; retries send the same item. `null`: the entry has
   * nothing to send, and the batcher calls no callback for it. If `make` throws, the batcher passes the error to `aborted`.
   * Without `aborted`, the batcher passes the error to `failed` and `rejected`.
   */
  make(entry: Entry, now: number): Item | null
  /**
   * Sends all items of the batch, or some of them after a failure. `now`: the time at which the batcher prepared the call;
   * retries keep it.
   */
  send(storage: Storage, items: readonly Item[], now: number): Promise<readonly Answer[]>
  /** Called with the answer to an item. An earlier attempt whose answer was lost may have taken effect. */
  answered(entry: Entry, item: Item, answer: Answer): void
  /** Called when the storage has rejected the item, and would reject it again. `null`: `make` has thrown. */
  rejected(entry: Entry, item: Item | null, error: unknown): void
  /**
   * Called when the batcher gives up on an entry without an answer. Possible reasons:
   * - The caller of the entry gave up, the engine stopped, or the storage was closed.
   * - `make`, or the work on the answer, threw an error.
   * - The call failed, and the batcher does not retry it.
   */
  aborted?(entry: Entry, error: unknown): void
  /**
   * Called when a batch has ended with an error and is no longer retried, or when `answered` or `rejected` threw. Called once
   * per error, before `aborted`. Not called for failures that are retried.
   */
  failed?(error: unknown): void
  /**
   * Called once for each batch, after the last storage call for the whole batch. `entries`: all entries of the batch. The
   * batcher may go on to retry entries without an answer one by one.
   */
  callEnded?(entries: readonly Entry[]): void
}

type BatcherContext = Pick<EngineContext, 'fail' | 'maxBatch' | 'now' | 'storage'>

/** The entries of one call with their items, and the state of the call's retries. */
interface Batch<Entry, Item> {
  readonly entries: readonly Entry[]
  readonly items: readonly Item[]
  /** The time at which the batcher prepared the call, in epoch ms. */
  readonly now: number
  /** The value of {@link RetryingStorage.accepted} before the first attempt of this call. */
  readonly acceptedBefore: number
  /** Indexes of the entries that have no answer and are not in a batch of their own; `null`: all entries. */
  open: Set<number> | null
  attempts: number
  /** Whether the call of this batch has failed and is being retried. {@link Batcher} counts such batches separately. */
  isRetried: boolean
  /** For a batch that is retried in the background: number of its proven failures. `null`: any other batch. */
  failures: number | null
}

/**
 * Group commit for calls of one kind: the batcher collects entries, and sends them together in one call. Such a group is a
 * batch. The batcher sends a batch in one of these cases:
 * - No call is in progress. The batch then leaves after the current turn of the event loop.
 * - The batch has at least `worthwhile` entries, and fewer than {@link callsAtOnce} calls are in progress.
 *
 * An item that the storage cannot store makes the whole call fail. What follows depends on the error:
 * - After `STORAGE_REFUSED` or `QUEUE_FULL`, the batcher halves the list of items at once. It rejects each item that gets such
 *   an error as the only item of a call.
 * - After an error in {@link partialAnswers}, the batcher repeats the items without an answer in a batch of their own, in the
 *   background. So they do not delay other items.
 * - After another error in `outages`, the batcher repeats all items without an answer.
 * - After another error, the batcher halves the list from the third attempt on. If an item fails in a call of its own, the
 *   batcher retries the item in the background. It rejects the item only if the storage accepts other calls meanwhile.
 */
export class Batcher<Entry, Item, Answer> {
  readonly #engine: BatcherContext
  readonly #kind: BatchKind<Entry, Item, Answer>
  readonly #enough: number
  readonly #flushing = new AfterTurn(() => this.#flush())
  #waiting: Entry[] = []
  #calls = 0
  /**
   * Number of failed calls with waiting callers that are being retried. `#calls` does not include these calls, so that they do
   * not delay other callers. From {@link callsAtOnce} such calls on, the batcher sends no further call.
   */
  #retried = 0
  /** Number of calls in progress that repeat a call which failed with an error in {@link partialAnswers}. */
  #heldCalls = 0
  /** Starts the next such calls, which wait because {@link callsAtOnce} such calls are in progress. */
  readonly #heldTurns: (() => void)[] = []
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

  /** Returns whether the batcher may send a call with `count` items now. */
  hasRoom(count: number): boolean {
    if (this.#retried >= callsAtOnce) return false
    return this.#calls === 0 ? count > 0 : this.#calls < callsAtOnce && count >= this.#enough
  }

  /**
   * Sends these entries now, in one call, even if `hasRoom` returns false. Never rejects. Resolves when the call has ended with
   * its retries. The batcher may then still retry entries alone.
   *
   * Entries beyond `maxSize` wait again, before all other waiting entries.
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
        if (item === null) continue
        size += kind.sizeOf?.(item) ?? 0
        entries.push(entry)
        items.push(item)
      } catch (error) {
        if (kind.aborted !== undefined) kind.aborted(entry, error)
        else {
          kind.failed?.(error)
          kind.rejected(entry, null, error)
        }
      }
    }
    if (items.length === 0) return
    this.#calls++
    const { storage } = this.#engine
    const acceptedBefore = storage.accepted
    const state = { open: null, attempts: 0, isRetried: false, failures: null }
    const batch: Batch<Entry, Item> = { entries, items, now, acceptedBefore, ...state }
    await this.#sendAll(batch)
    if (batch.isRetried) this.#retried--
    else this.#calls--
    kind.callEnded?.(entries)
    // Do not send the waiting entries at once: `flush` sends them after this turn of the event loop. The answers may have freed
    // permits, and due slots get these permits before waiting requests do.
    this.flush()
  }

  /** `known`: the error of an earlier call with these items, which counts as the first failure; `null`: no such call. */
  async #sendAll(batch: Batch<Entry, Item>, known: { readonly error: unknown } | null = null): Promise<void> {
    const isHeld = known !== null && partialAnswers.has(known.error as Error)
    const { operation, retries, callerOf } = this.#kind
    const { storage } = this.#engine
    try {
      if (retries === false) return await storage.once((calls) => this.#call(batch, calls))
      const failed = (error: unknown): void => {
        for (const entry of batch.entries) callerOf?.(entry).failed(error)
      }
      // Before each attempt, the batcher itself aborts the entries of callers that gave up.
      const isEngine = callerOf === undefined || batch.entries.some((entry) => callerOf(entry).isEngine)
      const asked = { assertWanted: () => undefined, failed, isEngine }
      let failure = known
      const attempt = (calls: Storage): Promise<typeof movedOn | null> => {
        if (failure === null && isHeld) return this.#inTurn(() => this.#attempt(batch, calls))
        if (failure === null) return this.#attempt(batch, calls)
        const { error } = failure
        failure = null
        return Promise.reject(error)
      }
      await storage.repeated(operation, attempt, asked, { firstAttempt: Math.max(1, batch.attempts) })
    } catch (error) {
      this.#kind.failed?.(error)
      for (const index of openOf(batch)) this.#abort(batch, index, this.#refusalOf(batch, index) ?? error)
    }
  }

  /** Sends all items, or the items with these indexes, and calls `answered` for them. */
  async #call(batch: Batch<Entry, Item>, storage: Storage, indexes: readonly number[] | null = null): Promise<void> {
    const { items, now } = batch
    const some = indexes === null ? items : indexes.map((index) => items[index] as Item)
    let answers: readonly Answer[]
    try {
      answers = await this.#kind.send(storage, some, now)
    } catch (error) {
      const known = partialAnswers.get(error as Error)
      for (const [place, answer] of (known ?? []).entries()) {
        if (answer === null) continue
        openOf(batch)
        this.#answered(batch, indexes?.[place] ?? place, answer as Answer)
      }
      if (!batch.isRetried && this.#kind.callerOf !== undefined) {
        batch.isRetried = true
        this.#calls--
        this.#retried++
        this.flush()
      }
      throw error
    }
    this.#engine.storage.accepted++
    for (let place = 0; place < some.length; place++) {
      this.#answered(batch, indexes?.[place] ?? place, answers[place] as Answer)
    }
    if (indexes === null) batch.open = new Set()
  }

  /**
   * Makes one attempt for all entries without an answer. Throws if entries are left for the next attempt.
   *
   * Otherwise returns {@link movedOn} if the storage has answered no entry, and `null` if it has. An attempt with the result
   * `movedOn` does not end an outage.
   */
  async #attempt(batch: Batch<Entry, Item>, storage: Storage): Promise<typeof movedOn | null> {
    batch.attempts++
    this.#abortUnwanted(batch)
    if (batch.open?.size === 0) return movedOn
    // From this attempt on, the batcher may halve the list to find an item that fails. If the storage has accepted another
    // call, the failure probably comes from an item, so each attempt halves the list. Otherwise the storage is probably
    // unavailable, and only one attempt in 4 halves the list.
    const isLate = batch.attempts >= enoughFailures
    const hasSign = this.#engine.storage.accepted > batch.acceptedBefore || batch.attempts % (enoughFailures + 1) === 0
    let hasAnswers = false
    let left: { readonly error: unknown } | null = null
    const send = async (some: readonly number[] | null): Promise<void> => {
      try {
        await this.#call(batch, storage, some)
        hasAnswers = true
      } catch (error) {
        if (partialAnswers.has(error as Error) && batch.failures === null) {
          return this.#retryApart(batch, some ?? [...batch.items.keys()], error)
        }
        // In an outage, or after the engine has stopped, do not halve the batch into further calls.
        if (isOutage(error) || this.#engine.storage.isStopped) throw error
        const indexes = some ?? [...openOf(batch)]
        const isRefused = isRefusal(error)
        if (indexes.length > 1 && (isRefused || (isLate && hasSign))) {
          const half = Math.ceil(indexes.length / 2)
          await send(indexes.slice(0, half))
          await send(indexes.slice(half))
        } else if (indexes.length === 1 && (isRefused || (await this.#isFaulty(batch, storage)))) {
          this.#answered(batch, indexes[0] as number, new ItemRefused(error))
        } else if (indexes.length === 1 && isLate && batch.failures === null) {
          this.#retryApart(batch, indexes, error)
        } else left = { error }
      }
    }
    // The fast path is one call with all items. Nearly all calls succeed.
    await send(batch.open === null ? null : [...batch.open])
    const failure = left as { readonly error: unknown } | null
    if (failure !== null) throw failure.error
    return hasAnswers ? null : movedOn
  }

  /**
   * Returns whether the only item of the batch has failed often enough. A failure counts only if the storage answers a probe.
   */
  async #isFaulty(batch: Batch<Entry, Item>, storage: Storage): Promise<boolean> {
    if (batch.failures === null) return false
    if (await answers(storage)) batch.failures++
    return batch.failures >= enoughFailures && this.#engine.storage.accepted > batch.acceptedBefore
  }

  /** Retries the entries without an answer in the background, in a batch of their own. */
  #retryApart(batch: Batch<Entry, Item>, indexes: readonly number[], error: unknown): void {
    const left = indexes.filter((index) => openOf(batch).delete(index))
    const entries = left.map((index) => batch.entries[index] as Entry)
    const items = left.map((index) => batch.items[index] as Item)
    void this.#sendAll({ ...batch, entries, items, open: null, isRetried: true, failures: 0 }, { error })
  }

  /** Waits until fewer than {@link callsAtOnce} held calls are in progress, because each may occupy a connection. */
  async #inTurn<T>(attempt: () => Promise<T>): Promise<T> {
    if (this.#heldCalls >= callsAtOnce) await new Promise<void>((resolve) => this.#heldTurns.push(resolve))
    else this.#heldCalls++
    try {
      if (this.#engine.storage.isStopped) throw new EngineStopped()
      return await attempt()
    } finally {
      const next = this.#heldTurns.shift()
      if (next === undefined) this.#heldCalls--
      else next()
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

  /**
   * Removes the entries of the next call from the waiting entries, and returns them. An empty list: the batcher may send no
   * call now.
   */
  #next(): Entry[] {
    const [oldest] = this.#waiting
    const gathered = Math.min(this.#waiting.length, this.#engine.maxBatch)
    if (oldest === undefined || !this.hasRoom(gathered)) return []
    const count = this.#kind.admit?.(gathered, oldest) ?? gathered
    if (!this.hasRoom(count)) return []
    return this.#waiting.splice(0, count)
  }

  #answered(batch: Batch<Entry, Item>, index: number, answer: Answer | ItemRefused): void {
    const entry = batch.entries[index] as Entry
    const item = batch.items[index] as Item
    batch.open?.delete(index)
    try {
      if (answer instanceof ItemRefused) this.#kind.rejected(entry, item, answer.error)
      else this.#kind.answered(entry, item, answer)
    } catch (error) {
      this.#kind.failed?.(error)
      this.#kind.aborted?.(entry, error)
    }
  }

  #abort(batch: Batch<Entry, Item>, index: number, error: unknown): void {
    openOf(batch).delete(index)
    this.#kind.aborted?.(batch.entries[index] as Entry, error)
  }

  /** Returns the error that the caller of an entry received; `null`: the caller still waits, or no caller waits. */
  #refusalOf({ entries }: Batch<Entry, Item>, index: number): JobistemerError | null {
    return this.#kind.callerOf?.(entries[index] as Entry).refusal ?? null
  }

  /** Aborts the entries whose callers have given up. */
  #abortUnwanted(batch: Batch<Entry, Item>): void {
    if (this.#kind.callerOf === undefined) return
    for (const index of batch.open ?? batch.items.keys()) {
      const reason = this.#refusalOf(batch, index)
      if (reason !== null) this.#abort(batch, index, reason)
    }
  }
}

function openOf(batch: Batch<unknown, unknown>): Set<number> {
  batch.open ??= new Set(batch.items.keys())
  return batch.open
}

/**
 * Returns whether the storage answers a small probe. While the storage does not answer, the failure of a call tells nothing
 * about its items.
 */
async function answers(storage: Storage): Promise<boolean> {
  try {
    await storage.listJobs({ limit: 1, cursor: null })
    return true
  } catch {
    return false
  }
}

/** Returns whether the storage has rejected an item of the call and would reject it again. */
function isRefusal(error: unknown): boolean {
  return JobistemerError.isInstance(error, 'STORAGE_REFUSED') || JobistemerError.isInstance(error, 'QUEUE_FULL')
}

function isOutage(error: unknown): boolean {
  return JobistemerError.isInstance(error) && outages.includes(error.code)
}

/**
 * The error with which {@link CallerBatcher.send} rejects if the storage has rejected the item, and would reject it again.
 * `error`: the error of the storage.
 */
export class ItemRefused {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
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
   * Sends one item and resolves with its answer. The batcher calls `make` when it prepares the call. Rejects with one of these
   * errors:
   * - the error of `make`
   * - the caller's timeout or abort error
   * - {@link ItemRefused}, which {@link refusedItem} turns into the error for the caller
   * - the error of the storage, if the batcher does not retry the call
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
 * Returns the error for a caller whose item got no answer. `error`: the content of {@link ItemRefused}. If `error` is an error
 * of this library, returns it unchanged. Otherwise returns the error `STORAGE_REFUSED` with `error` as its cause.
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
