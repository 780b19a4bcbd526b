import { enoughFailures } from './tuning.ts'
import { type ErrorCode, JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { failInBackground, type FailureReporter } from '../runtime/background-loop.ts'
import { type Asked, movedOn, type RetryingStorage } from './retrying-storage.ts'

/**
 * A result in place of an answer: the storage has rejected the item, and would reject it again. For an item with a caller,
 * `error` may also be the reason why its retries ended. Reasons: the caller gave up, the engine stopped, or the storage was
 * closed.
 */
export class ItemRefused {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

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

/** One call with a list of items, and what happens to each item. */
interface Batch<Item, Answer> {
  readonly operation: string
  readonly items: readonly Item[]
  readonly call: (storage: Storage, items: readonly Item[]) => Promise<readonly Answer[]>
  /** Receives the answer to an item that was retried alone, or the rejection of an item. */
  readonly later: (index: number, answer: Answer | ItemRefused) => void
  /** The caller of each item; `null`: the engine itself. */
  readonly asked: readonly Asked[] | null
}

interface BisectingContext extends FailureReporter {
  readonly storage: RetryingStorage
}

/**
 * Sends calls with a list of items, of which the storage may be unable to store one. Such an item makes the whole call fail, so
 * all items would be retried forever. This class halves the list to find the failing item.
 *
 * - After the errors `STORAGE_REFUSED` and `QUEUE_FULL`, the call has an item that the storage rejects. The class halves the
 *   list at once, and rejects each item that gets such an error alone.
 * - Another error may come from an item or from the storage. The class halves from the third attempt, and retries each item
 *   that fails alone in the background. The class rejects such an item only if the storage accepts other calls meanwhile.
 * - After an error in `outages`, the class never halves the list: {@link RetryingStorage} repeats all items without an
 *   answer.
 */
export class BisectingCalls {
  readonly #engine: BisectingContext
  /** Number of calls of this class that the storage has accepted, in all batches. */
  #taken = 0

  constructor(engine: BisectingContext) {
    this.#engine = engine
  }

  /**
   * Sends the items and retries until each item has an answer or is passed to `later`. Returns `undefined` for an item that
   * `later` receives: an item that the storage rejects, or that failed alone and is retried in the background. With `asked`,
   * also returns `undefined` for an item whose caller gives up; that item is not resent.
   */
  async send<Item, Answer>(
    operation: string,
    items: readonly Item[],
    call: (storage: Storage, items: readonly Item[]) => Promise<readonly Answer[]>,
    later: (index: number, answer: Answer | ItemRefused) => void,
    asked: readonly Asked[] | null = null,
  ): Promise<readonly (Answer | undefined)[]> {
    const batch: Batch<Item, Answer> = { operation, items, call, later, asked }
    const takenBefore = this.#taken
    const isWanted = (index: number) => asked === null || asked[index]?.refusal === null
    let answers: (Answer | undefined)[] = []
    // Indexes of the items without an answer; `null`: the call with all items has not failed yet.
    let open: number[] | null = null
    let attempts = 0
    const attemptOnce = async (storage: Storage): Promise<typeof movedOn | null> => {
      attempts++
      let refusal: unknown = null
      if (attempts === 1 && items.every((_, index) => isWanted(index))) {
        try {
          // The fast path is one call with all items. Nearly all calls succeed.
          answers = (await call(storage, items)) as (Answer | undefined)[]
          this.#taken++
          return null
        } catch (error) {
          if (!isRefusal(error)) throw error
          refusal = error
        }
      }
      open ??= items.map((_, index) => index)
      open = open.filter(isWanted)
      if (open.length === 0) return movedOn
      // If the storage has accepted another call, the failure probably comes from an item. Without such a sign, one attempt in
      // 4 assumes so too.
      const hasSign = this.#taken > takenBefore || attempts % (enoughFailures + 1) === 0
      const mayHalve = attempts >= enoughFailures && hasSign
      const left: number[] = []
      const alone: number[] = []
      const refused: [index: number, error: unknown][] = []
      let lastError: unknown = null
      let hasAnswers = false
      const sendSome = async (indexes: readonly number[], knownFailure: unknown = null): Promise<void> => {
        try {
          if (knownFailure !== null) throw knownFailure
          const isWhole = indexes.length === items.length
          const some = await call(storage, isWhole ? items : indexes.map((index) => items[index] as Item))
          for (const [place, index] of indexes.entries()) answers[index] = some[place]
          hasAnswers = true
          this.#taken++
        } catch (error) {
          // Halving would send further calls, and a stopped node sends none.
          if (isOutage(error) || this.#engine.storage.isStopped) throw error
          const isRefused = isRefusal(error)
          const [only] = indexes
          if (indexes.length === 1 && isRefused) {
            refused.push([only as number, error])
            return
          }
          lastError = error
          if (indexes.length > 1 && (mayHalve || isRefused)) {
            const half = Math.ceil(indexes.length / 2)
            await sendSome(indexes.slice(0, half))
            await sendSome(indexes.slice(half))
          } else (indexes.length === 1 && attempts >= enoughFailures ? alone : left).push(...indexes)
        }
      }
      // If the storage rejected the first call, `sendSome` halves the list without sending the whole list again. If a caller
      // has given up meanwhile, the rejection may concern this caller's item. So `sendSome` first sends the list without that
      // item.
      await sendSome(open, open.length < items.length ? null : refusal)
      for (const index of alone) this.#tryAlone(batch, index, { takenBefore, attempts, error: lastError })
      for (const [index, error] of refused) this.#refuse(batch, index, error)
      open = left
      if (left.length > 0) throw lastError
      // With `movedOn`, this attempt does not count as an answer of the storage, so it does not end an outage.
      return hasAnswers ? null : movedOn
    }
    await this.#engine.storage.repeated(operation, attemptOnce, asked === null ? null : anyOf(asked))
    return answers
  }

  #refuse<Item, Answer>({ operation, later }: Batch<Item, Answer>, index: number, error: unknown): void {
    Promise.resolve()
      .then(() => later(index, new ItemRefused(error)))
      .catch((failure) => failInBackground(this.#engine, operation, failure))
  }

  /** Retries one item in the background until it has an answer or counts as rejected. The result goes to `later`. */
  #tryAlone<Item, Answer>(
    { operation, items, call, later, asked }: Batch<Item, Answer>,
    index: number,
    { takenBefore, attempts, error: lastError }: { takenBefore: number; attempts: number; error: unknown },
  ): void {
    const item = items[index] as Item
    const waiting = asked?.[index] ?? null
    let hasJustFailed = true
    let failures = 0
    const tryOnce = async (storage: Storage): Promise<Answer | ItemRefused> => {
      try {
        // The first attempt throws the known failure, so that `repeated` reports the failure and waits before the next attempt.
        if (hasJustFailed) throw lastError
        const [answer] = await call(storage, [item])
        this.#taken++
        return answer as Answer
      } catch (error) {
        const isNew = !hasJustFailed
        hasJustFailed = false
        if (isNew && isRefusal(error)) return new ItemRefused(error)
        // The probe of `answers` would be a further call, and a stopped node sends none.
        if (isNew && !isOutage(error) && !this.#engine.storage.isStopped && (await answers(storage))) failures++
        if (failures < enoughFailures || this.#taken === takenBefore) throw error
        return new ItemRefused(error)
      }
    }
    this.#engine.storage
      .repeated(operation, tryOnce, waiting, { firstAttempt: attempts })
      .catch((error) => {
        if (waiting === null) throw error
        return new ItemRefused(error)
      })
      .then((answer) => later(index, answer))
      .catch((error) => failInBackground(this.#engine, operation, error))
  }
}

/** Combines several callers into one: the call is wanted as long as at least one caller waits. */
function anyOf(asked: readonly Asked[]): Pick<Asked, 'assertWanted' | 'failed'> {
  return {
    assertWanted() {
      if (asked.every(({ refusal }) => refusal !== null)) asked[0]?.assertWanted()
    },
    failed(error) {
      for (const one of asked) one.failed(error)
    },
  }
}

/**
 * Returns whether the storage answers a small probe. While the storage does not answer, the failure of a call tells nothing
 * about its items.
 */
export async function answers(storage: Storage): Promise<boolean> {
  try {
    await storage.listJobs({ limit: 1, cursor: null })
    return true
  } catch {
    return false
  }
}

/** Returns whether the storage has rejected an item of the call, so that it would also reject a retry. */
function isRefusal(error: unknown): boolean {
  return JobistemerError.isInstance(error, 'STORAGE_REFUSED') || JobistemerError.isInstance(error, 'QUEUE_FULL')
}

function isOutage(error: unknown): boolean {
  return JobistemerError.isInstance(error) && outages.includes(error.code)
}
