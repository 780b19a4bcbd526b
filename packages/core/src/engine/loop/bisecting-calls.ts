import { type ErrorCode, JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { failInBackground, type FailureReporter } from './background-loop.ts'
import { type Asked, movedOn, type RetryingStorage } from './retrying-storage.ts'

/** What stands in place of an answer when the storage can never take the item. */
export class ItemRefused {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** Failures of a storage that is away or out of order: no item is to blame. */
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

/** A call that fails so often may have a bad item in it: with growing pauses, that is after 300 ms. */
const worthHalving = 3
/** Without a sign that the storage takes anything at all, halves are tried only once in so many times. */
const attemptsPerTry = 4
/** So often an item fails alone, while the storage answers, before it is to blame: over some ten seconds. */
const enoughFailures = 5
/** Whoever waits for the answer is to hear of it before that one waits no more: after three to seven seconds. */
const enoughWhileAsked = 3

/** One call with a list of items: how to send some of them. */
interface Batch<Item, Answer> {
  readonly operation: string
  readonly items: readonly Item[]
  readonly call: (storage: Storage, items: readonly Item[]) => Promise<readonly Answer[]>
  /** Told of an item that failed alone, when it has its answer. */
  readonly later: (index: number, answer: Answer | ItemRefused) => void
  /** Who waits for the answer to each item; `null`: the engine itself. */
  readonly asked: readonly Asked[] | null
}

/** What one attempt to send a batch has come to. */
class Attempt<Answer> {
  readonly answers: Map<number, Answer> = new Map()
  readonly failedAlone: number[] = []
  /** Items of which the storage itself says that it does not take them. */
  readonly refused: Map<number, unknown> = new Map()
  readonly mayHalve: boolean
  lastError: unknown

  constructor(mayHalve: boolean) {
    this.mayHalve = mayHalve
  }
}

interface BisectingContext extends FailureReporter {
  readonly storage: RetryingStorage
}

/**
 * Calls with a list of items of which one may be wrong. Sent again and again, it would keep all the others from the
 * storage: it is found by halving the list, and refused once the storage has taken others meanwhile. Where the storage
 * answers `STORAGE_REFUSED` or `QUEUE_FULL`, both happen at once.
 */
export class BisectingCalls {
  readonly #engine: BisectingContext
  /** How many calls the storage has taken. */
  #taken = 0

  constructor(engine: BisectingContext) {
    this.#engine = engine
  }

  /**
   * Repeated until each item has its answer. An item that fails alone has none: it is tried on in the background, and
   * `later` is told. With `asked` an item has none either, and is sent no more, once whoever asked for it waits no more.
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
    let answers: readonly (Answer | undefined)[] = []
    const found = () => answers as (Answer | undefined)[]
    let open: number[] = []
    let attempts = 0
    const attemptOnce = async (storage: Storage): Promise<typeof movedOn | null> => {
      attempts++
      let refusal: unknown = null
      if (attempts === 1 && items.every((_, index) => isWanted(index))) {
        try {
          // Nearly always all goes well.
          answers = (await call(storage, items)) as (Answer | undefined)[]
          this.#taken++
          return null
        } catch (error) {
          if (!isRefusal(error)) throw error
          refusal = error
        }
      }
      if (answers.length === 0) {
        answers = new Array<Answer | undefined>(items.length)
        open = items.map((_, index) => index)
      }
      open = open.filter(isWanted)
      if (open.length === 0) return movedOn
      // It may have been about one that nobody waits for any more.
      if (open.length < items.length) refusal = null
      const hasSign = this.#taken > takenBefore || attempts % attemptsPerTry === 0
      const attempt = new Attempt<Answer>(attempts >= worthHalving && hasSign)
      await this.#try(storage, batch, open, attempt, refusal)
      for (const [index, answer] of attempt.answers) found()[index] = answer
      const alone = attempts >= worthHalving ? attempt.failedAlone : []
      for (const index of alone) this.#tryAlone(batch, index, { takenBefore, attempts, error: attempt.lastError })
      for (const [index, error] of attempt.refused) this.#refuse(batch, index, error)
      open = open.filter((index) => {
        return !attempt.answers.has(index) && !attempt.refused.has(index) && !alone.includes(index)
      })
      if (open.length > 0) throw attempt.lastError
      return attempt.answers.size === 0 ? movedOn : null
    }
    await this.#engine.storage.repeated(operation, attemptOnce, asked === null ? null : anyOf(asked))
    return answers
  }

  /** `failure`: what these were answered just now; `null` when they are to be sent. */
  async #try<Item, Answer>(
    storage: Storage,
    batch: Batch<Item, Answer>,
    indexes: readonly number[],
    attempt: Attempt<Answer>,
    failure: unknown = null,
  ): Promise<void> {
    try {
      if (failure !== null) throw failure
      const isWhole = indexes.length === batch.items.length
      const items = isWhole ? batch.items : indexes.map((index) => batch.items[index] as Item)
      const answers = await batch.call(storage, items)
      for (const [place, index] of indexes.entries()) attempt.answers.set(index, answers[place] as Answer)
      this.#taken++
    } catch (error) {
      // A node that is down by now sends no half of it.
      if (isOutage(error) || this.#engine.storage.isStopped) throw error
      const [only, another] = indexes
      const isRefused = isRefusal(error)
      if (isRefused && only !== undefined && another === undefined) {
        attempt.refused.set(only, error)
        return
      }
      attempt.lastError = error
      if (indexes.length === 1) attempt.failedAlone.push(...indexes)
      if (indexes.length === 1 || !(attempt.mayHalve || isRefused)) return
      const half = Math.ceil(indexes.length / 2)
      await this.#try(storage, batch, indexes.slice(0, half), attempt)
      await this.#try(storage, batch, indexes.slice(half), attempt)
    }
  }

  #refuse<Item, Answer>({ operation, later }: Batch<Item, Answer>, index: number, error: unknown): void {
    Promise.resolve()
      .then(() => later(index, new ItemRefused(error)))
      .catch((failure) => failInBackground(this.#engine, operation, failure))
  }

  #tryAlone<Item, Answer>(
    { operation, items, call, later, asked }: Batch<Item, Answer>,
    index: number,
    { takenBefore, attempts, error: lastError }: { takenBefore: number; attempts: number; error: unknown },
  ): void {
    const item = items[index] as Item
    const waiting = asked?.[index] ?? null
    const enough = waiting === null ? enoughFailures : enoughWhileAsked
    let hasJustFailed = true
    let failures = 0
    const tryOnce = async (storage: Storage): Promise<Answer | ItemRefused> => {
      try {
        // That is told, and a pause follows, as for any call.
        if (hasJustFailed) throw lastError
        const [answer] = await call(storage, [item])
        this.#taken++
        return answer as Answer
      } catch (error) {
        const isNew = !hasJustFailed
        hasJustFailed = false
        if (isNew && isRefusal(error)) return new ItemRefused(error)
        if (isNew && !isOutage(error) && (await answers(storage))) failures++
        if (failures < enough || this.#taken === takenBefore) throw error
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

/** Wanted as long as one of these waits. */
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

/** Whether the storage is there: what fails while it is away says nothing of the item. */
async function answers(storage: Storage): Promise<boolean> {
  try {
    await storage.listJobs({ limit: 1, cursor: null })
    return true
  } catch {
    return false
  }
}

/** Whether the storage itself refuses an item of the call. A repeated call meets the same refusal. */
function isRefusal(error: unknown): boolean {
  return JobistemerError.isInstance(error, 'STORAGE_REFUSED') || JobistemerError.isInstance(error, 'QUEUE_FULL')
}

function isOutage(error: unknown): boolean {
  return JobistemerError.isInstance(error) && outages.includes(error.code)
}
