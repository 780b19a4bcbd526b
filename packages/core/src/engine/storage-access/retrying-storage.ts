import { ordinaryHeartbeatMs, upkeepMs } from '../../tuning.ts'
import { firstRetryMs } from './tuning.ts'
import type { Clock } from '../../clock.ts'
import { type ErrorCode, JobistemerError } from '../../errors.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import type { Storage, StorageWithin, WakeUp } from '../../storage/storage.ts'
import type { Agenda, SlotEntry } from '../runtime/agenda.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import type { RuntimeContext } from '../runtime/blocked-loop.ts'
import { SharedStorage } from './shared-storage.ts'
import { YieldBudget } from '../runtime/yield-budget.ts'

// Error codes whose cause a person has to fix. With such an error, `start` and the calls of users reject at once. A running
// scheduler keeps retrying its own calls, because an administrator may restore permissions or tables.
const refusals: readonly ErrorCode[] = ['STORAGE_UNREADABLE', 'STORAGE_FOREIGN', 'STORAGE_SCHEMA_NEWER']

/**
 * Returns whether this error means that the process can never use its storage object again. Only a new scheduler can open the
 * storage again.
 */
export function isStorageGone(error: unknown): boolean {
  return JobistemerError.isInstance(error) && (error.code === 'STORAGE_CLOSED' || error.code === 'STORAGE_REPLACED')
}

/**
 * The result of a call with a list of items if the storage has answered none of the items. The call must then not be retried.
 * Each item was rejected, is retried alone by another call, or has a caller that gave up.
 *
 * The symbol is no answer of the storage, so it does not end an outage.
 */
export const movedOn: unique symbol = Symbol('moved on')

/** A method call of the user that waits for an answer. A storage call without such a caller is the engine's own. */
export interface Asked {
  /** The error that the caller received after its timeout or abort; `null`: the caller still waits. */
  readonly refusal: JobistemerError | null
  /** If the caller has given up, throws the error that the caller received. */
  assertWanted(): void
  /** Called when a storage call for this caller has failed with this error, and will be retried. */
  failed(error: unknown): void
  /** Whether the engine itself makes the call, and no user waits for it. Default false. */
  readonly isEngine?: boolean
}

/** Options for the retries of a call. */
interface Repeating {
  /** Number of the first attempt. A number above 1 continues the backoff of an earlier call. Default 1. */
  readonly firstAttempt?: number
  /** Maximum delay before a retry of the call, in ms. Default 5 s. */
  readonly longestPauseMs?: number
}

/** Makes storage calls for the engine itself, or for a caller that waits. */
export interface StorageCalls {
  once<T>(call: (storage: Storage) => Promise<T>): Promise<T>
  repeated<T>(operation: string, call: (storage: Storage) => Promise<T>): Promise<T>
}

/**
 * Calls the storage for the engine. Retries a failed call with exponential backoff until the storage answers or the engine
 * stops. The storage protocol permits retries, because every call can be repeated.
 */
export class RetryingStorage implements StorageCalls {
  readonly #storage: Storage
  readonly #shared: SharedStorage
  /**
   * The storage with calls that also notify the other engines of this process. `null`: no second engine has joined yet, so
   * there is no engine to notify.
   */
  #telling: Storage | null = null
  readonly #clock: Clock
  readonly #agenda: Agenda<SlotEntry>
  readonly #events: EventHub
  /** Limits the engine's work per turn of the event loop. Storage calls and the counting of slots share this budget. */
  readonly yieldBudget: YieldBudget
  readonly outage: StorageOutage
  /** Functions that end a pause early, one per call that pauses before its next attempt. */
  readonly #waiting = new Set<() => void>()
  /** Whether the scheduler has started. Its own calls are then also retried after errors that a person has to fix. */
  isAtWork = false
  /**
   * Number of calls of batchers that the storage has accepted. If this number grows while another call fails, the storage is
   * available, so the failure probably comes from an item.
   */
  accepted = 0
  /** Whether the engine has stopped: {@link repeated} then begins no further calls. */
  isStopped = false

  constructor(storage: Storage, engine: RuntimeContext) {
    this.#storage = storage
    this.#shared = SharedStorage.joined(storage)
    this.#clock = engine.clock
    this.yieldBudget = new YieldBudget(engine.clock)
    this.#agenda = engine.agenda
    this.#events = engine.events
    this.outage = new StorageOutage(engine)
  }

  /**
   * Calls the storage once, without retries, also after {@link stop}. Rejects with the storage's error. `isAsked`: a user waits
   * for the call. Calls of the engine do not wait for calls of users.
   */
  once<T>(call: (storage: Storage) => Promise<T>, { isAsked = true }: { readonly isAsked?: boolean } = {}): Promise<T> {
    const turn = this.yieldBudget.pass(isAsked)
    return turn === null ? this.#call(call) : turn.then(() => this.#call(call))
  }

  /**
   * Lets the event loop run between two storage calls of one method call of a user. Returns `null` if the work may continue at
   * once. Otherwise returns a promise that resolves when the work may continue.
   */
  turn(): Promise<void> | null {
    return this.yieldBudget.pass(true)
  }

  /**
   * Returns the storage inside a transaction of the user. Calls are not retried, because only the user can repeat the
   * transaction.
   * @throws JobistemerError `TRANSACTION_NOT_SUPPORTED`, `INVALID_TRANSACTION`
   */
  within(transaction: unknown): StorageWithin {
    if (this.#storage.within === undefined) throw noTransactions(transaction)
    const within = this.#storage.within(transaction)
    const track = <T>(answer: Promise<T>): Promise<T> => {
      this.#clock.track?.(answer)
      return answer
    }
    return {
      createOccurrences: (request) => track(within.createOccurrences(request)),
      settle: (request) => track(within.settle(request)),
      forbidCommit: () => track(within.forbidCommit()),
    }
  }

  /** Subscribes to changes by other engines of this process, and by other processes if the storage sends wake-ups. */
  subscribe(listener: (wakeUp: WakeUp) => void): () => void {
    return this.#shared.subscribe(this, listener)
  }

  #call<T>(call: (storage: Storage) => Promise<T>): Promise<T> {
    const answer = call(this.#called())
    this.#clock.track?.(answer)
    return answer
  }

  #called(): Storage {
    if (!this.#shared.isShared) return this.#storage
    this.#telling ??= this.#shared.tellingFor(this)
    return this.#telling
  }

  /**
   * Repeats a call until the storage answers. A pause between two attempts ends early only when the engine stops.
   *
   * `asked`: the caller that waits; `null`: the engine itself. After a caller has given up, no further attempt begins.
   *
   * @throws EngineStopped if the engine stops
   * @throws the refusal if the caller gives up
   * @throws the error of the storage if no retry can fix it; also if a person has to fix it, and `asked` is set or {@link
   *   started} was not called yet
   */
  async repeated<T>(
    operation: string,
    call: (storage: Storage) => Promise<T>,
    asked: Pick<Asked, 'assertWanted' | 'failed' | 'isEngine'> | null = null,
    { firstAttempt = 1, longestPauseMs = ordinaryHeartbeatMs }: Repeating = {},
  ): Promise<T> {
    const isAsked = asked !== null && asked.isEngine !== true
    let attempt = firstAttempt
    let hasFailed = false
    let isAnswered = false
    try {
      for (; ; attempt++) {
        const turn = this.yieldBudget.pass(isAsked)
        if (turn !== null) await turn
        if (this.isStopped) throw new EngineStopped()
        asked?.assertWanted()
        try {
          const answer = await this.#call(call)
          isAnswered = answer !== movedOn
          if (attempt > 1 && isAnswered) this.#events.emit('storage.recovered', { operation, attempts: attempt })
          return answer
        } catch (error) {
          if (this.#isPermanent(error, isAsked)) throw error
          // The agenda has stopped with the engine, so the delay before a retry would never end.
          if (this.isStopped) throw new EngineStopped()
          const retryInMs = Math.min(longestPauseMs, firstRetryMs * 2 ** Math.min(attempt - 1, 10))
          this.#events.emit('storage.failed', { operation, error, attempt, retryInMs })
          this.outage.failed(operation, error, !hasFailed)
          asked?.failed(error)
          hasFailed = true
          await this.#pause(retryInMs)
        }
      }
    } finally {
      if (hasFailed) this.outage.left()
      if (isAnswered) this.outage.answered()
    }
  }

  #isPermanent(error: unknown, isAsked: boolean): boolean {
    if (!JobistemerError.isInstance(error)) return false
    return isStorageGone(error) || ((isAsked || !this.isAtWork) && refusals.includes(error.code))
  }

  /** Ends all pauses. A call in progress may still get its answer; a call in a pause rejects with {@link EngineStopped}. */
  stop(): void {
    this.isStopped = true
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const alarm = { at: 0, heapIndex: -1, ring: () => wake() }
      const wake = () => {
        this.#waiting.delete(wake)
        this.#agenda.cancelAlarm(alarm)
        resolve()
      }
      this.#waiting.add(wake)
      this.#agenda.setAlarm(alarm, delayMs)
    })
  }
}

function noTransactions(transaction: unknown): JobistemerError {
  return new JobistemerError('TRANSACTION_NOT_SUPPORTED', {
    message: 'The storage of this scheduler cannot write in a transaction of yours.',
    field: 'transaction',
    value: Object.prototype.toString.call(transaction),
    remedy: 'Omit transaction, or store the jobs in the same database as your rows: SQLite or PostgreSQL.',
  })
}

/**
 * A period in which storage calls failed. The members say how many ms ago the period began and ended. For a current outage,
 * `endedAgoMs` is 0.
 */
export interface RecentOutage {
  readonly beganAgoMs: number
  readonly endedAgoMs: number
}

/**
 * Logs the start of an outage, one line per minute during it, and its end. An outage begins with the first failed call. It ends
 * when the storage answers a call while no failed call is being retried.
 */
export class StorageOutage {
  readonly #clock: Clock
  readonly #logger: Logger
  /** Number of calls that have failed and are still being retried. */
  #waiting = 0
  /** Number of failures since the outage began; 0: no outage. */
  #failures = 0
  /** Monotonic instant at which the outage began. */
  #beganAt = 0
  /** Monotonic instant of the last log line about the outage. */
  #saidAt = 0
  /** Monotonic instants of the last outage that has ended; `null`: no outage has ended. */
  #last: { readonly beganAt: number; readonly endedAt: number } | null = null
  /** Error codes of this outage. A new code is logged at once, because its remedy differs. */
  readonly #codes = new Set<string>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** The current outage or the last outage; `null`: no call has failed yet. */
  get last(): RecentOutage | null {
    const now = this.#clock.monotonic()
    if (this.#failures > 0) return { beganAgoMs: now - this.#beganAt, endedAgoMs: 0 }
    if (this.#last === null) return null
    return { beganAgoMs: now - this.#last.beganAt, endedAgoMs: now - this.#last.endedAt }
  }

  /** Records a failure of a storage call. `isFirst`: the call has not failed before. */
  failed(operation: string, error: unknown, isFirst: boolean): void {
    if (isFirst) this.#waiting++
    const now = this.#clock.monotonic()
    if (this.#failures === 0) this.#beganAt = now
    this.#failures++
    const code = JobistemerError.isInstance(error) ? error.code : ''
    const isNews = !this.#codes.has(code)
    if (!isNews && now - this.#saidAt < upkeepMs) return
    this.#codes.add(code)
    this.#saidAt = now
    if (isNews) this.#logger.error({ operation, err: error }, 'the storage fails: retrying until it answers')
    else {
      const fields = { operation, forMs: Math.round(now - this.#beganAt), failures: this.#failures, err: error }
      this.#logger.error(fields, 'calls to the storage still fail: their runs cannot start or end')
    }
  }

  /** Records that a failed call is no longer retried, with or without an answer. */
  left(): void {
    this.#waiting--
  }

  /** Records that the storage has answered a call. If that call failed before, the caller first calls {@link left}. */
  answered(): void {
    if (this.#failures === 0 || this.#waiting > 0) return
    const endedAt = this.#clock.monotonic()
    this.#last = { beganAt: this.#beganAt, endedAt }
    const forMs = Math.round(endedAt - this.#beganAt)
    this.#logger.warn({ forMs, failures: this.#failures }, 'the storage answers again')
    this.#failures = 0
    this.#codes.clear()
  }
}

/** Yields the parts of a list, each with at most `size` items. */
export function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[], void> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
