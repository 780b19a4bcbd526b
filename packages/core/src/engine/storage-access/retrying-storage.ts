import type { Clock } from '../../clock.ts'
import { type ErrorCode, JobistemerError } from '../../errors.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import type { Storage, StorageWithin, WakeUp } from '../../storage/storage.ts'
import type { Agenda } from '../runtime/agenda.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import { SharedStorage } from './shared-storage.ts'
import type { SlotEntry } from '../runtime/slot-levels.ts'
import { type RecentOutage, StorageOutage } from './storage-outage.ts'
import { YieldBudget } from '../runtime/yield-budget.ts'

const firstRetryMs = 100
const longestRetryMs = 5000

// Somebody has to mend these: whoever starts a scheduler, or asks it for something, is told at once. What it does by
// itself it goes on trying, since rights that were taken away are given back, and tables are changed under it.
const refusals: readonly ErrorCode[] = ['STORAGE_UNREADABLE', 'STORAGE_FOREIGN', 'STORAGE_SCHEMA_NEWER']

/** True when the storage of this process is gone for good: a scheduler that is started anew may find another one. */
export function isStorageGone(error: unknown): boolean {
  return JobistemerError.isInstance(error) && (error.code === 'STORAGE_CLOSED' || error.code === 'STORAGE_REPLACED')
}

/** The answer of a call that did not get through, and that is tried on elsewhere. */
export const movedOn: unique symbol = Symbol('moved on')

/** Somebody who waits for an answer. */
export interface Asked {
  /** What that one was told who waits no more; `null` as long as the answer is wanted. */
  readonly refusal: JobistemerError | null
  /** Throws the refusal when that one waits no more. */
  assertWanted(): void
  /** A call that it waits for has failed with this, and is repeated. */
  failed(error: unknown): void
}

/** Where a call that is repeated stands. */
interface Repetition {
  /** How often it has failed, one after the other. */
  readonly failures: number
  /** When it comes again if it fails now. */
  readonly retryInMs: number
}

/** How a call is repeated. */
interface Repeating {
  /** Default 1. */
  readonly firstAttempt?: number
  /** Default 5 s. */
  readonly longestPauseMs?: number
}

/** How parts of the engine call the storage: for the engine itself, or for somebody who waits. */
export interface StorageCalls {
  once<T>(call: (storage: Storage) => Promise<T>): Promise<T>
  repeated<T>(operation: string, call: (storage: Storage) => Promise<T>): Promise<T>
}

/**
 * Calls the storage for the engine. A storage that fails is called again, with growing pauses, until it answers or the
 * engine stops: every call of the protocol can be repeated.
 */
export class RetryingStorage implements StorageCalls {
  readonly #storage: Storage
  readonly #shared: SharedStorage
  /** Tells other engines of this process what this one changes. Made when there are any. */
  #telling: Storage | null = null
  readonly #clock: Clock
  readonly #agenda: Agenda<SlotEntry>
  readonly #events: EventHub
  readonly #yieldBudget: YieldBudget
  readonly #outage: StorageOutage
  readonly #waiting = new Set<() => void>()
  #isAtWork = false
  #stopped = false

  constructor(options: {
    storage: Storage
    clock: Clock
    agenda: Agenda<SlotEntry>
    events: EventHub
    logger: Logger
    /** Default: one of its own. */
    yieldBudget?: YieldBudget
  }) {
    this.#storage = options.storage
    this.#shared = SharedStorage.joined(options.storage)
    this.#clock = options.clock
    this.#yieldBudget = options.yieldBudget ?? new YieldBudget(options.clock)
    this.#agenda = options.agenda
    this.#events = options.events
    this.#outage = new StorageOutage(options)
  }

  /** One call, for users: what fails, fails. */
  once<T>(call: (storage: Storage) => Promise<T>): Promise<T> {
    const turn = this.turn()
    return turn === null ? this.#call(call) : turn.then(() => this.#call(call))
  }

  /** For own work between calls: `null` when it may go on, otherwise it resolves in the turn in which it may. */
  turn(): Promise<void> | null {
    return this.#yieldBudget.pass(true)
  }

  /**
   * The storage inside a transaction of a user's. What fails, fails: whether it is tried again is for the user to say.
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

  /** The stretch in which calls fail, or the last one; `null`: there was none. */
  get lastOutage(): RecentOutage | null {
    return this.#outage.last
  }

  /** Listens to what others change: other processes, where the storage tells, and other engines of this one. */
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
   * A call that is repeated until the storage answers. @throws EngineStopped, and what trying again cannot mend;
   * for somebody who waits for it, also what somebody has to mend, and the refusal when that one waits no more
   */
  async repeated<T>(
    operation: string,
    call: (storage: Storage) => Promise<T>,
    asked: Pick<Asked, 'assertWanted' | 'failed'> | null = null,
    { firstAttempt = 1, longestPauseMs = longestRetryMs }: Repeating = {},
  ): Promise<T> {
    let attempt = firstAttempt
    let hasFailed = false
    let isAnswered = false
    try {
      for (; ; attempt++) {
        const turn = this.#yieldBudget.pass(asked !== null)
        if (turn !== null) await turn
        if (this.#stopped) throw new EngineStopped()
        asked?.assertWanted()
        try {
          const answer = await this.#call(call)
          isAnswered = answer !== movedOn
          if (attempt > 1 && isAnswered) this.#events.emit('storage.recovered', { operation, attempts: attempt })
          return answer
        } catch (error) {
          if (this.#isPermanent(error, asked !== null)) throw error
          // Nothing rings any more: a pause would never end.
          if (this.#stopped) throw new EngineStopped()
          const retryInMs = Math.min(longestPauseMs, firstRetryMs * 2 ** Math.min(attempt - 1, 10))
          this.#events.emit('storage.failed', { operation, error, attempt, retryInMs })
          this.#outage.failed(operation, error, !hasFailed)
          asked?.failed(error)
          hasFailed = true
          await this.#pause(retryInMs)
        }
      }
    } finally {
      if (hasFailed) this.#outage.left()
      if (isAnswered) this.#outage.answered()
    }
  }

  /**
   * One attempt of a call that somebody repeats in a rhythm of its own: after `failures` that failed. What goes wrong is
   * told as for {@link repeated}, and thrown. @throws EngineStopped
   */
  async tried<T>(operation: string, { failures, retryInMs }: Repetition, call: () => Promise<T>): Promise<T> {
    if (this.#stopped) throw new EngineStopped()
    try {
      const answer = await call()
      if (failures > 0) {
        this.#events.emit('storage.recovered', { operation, attempts: failures + 1 })
        this.#outage.left()
        this.#outage.answered()
      }
      return answer
    } catch (error) {
      if (this.#stopped) throw new EngineStopped()
      if (isStorageGone(error)) throw error
      this.#events.emit('storage.failed', { operation, error, attempt: failures + 1, retryInMs })
      this.#outage.failed(operation, error, failures === 0)
      throw error
    }
  }

  /** The scheduler has started: from here on it waits for whatever its storage lacks. */
  started(): void {
    this.#isAtWork = true
  }

  #isPermanent(error: unknown, isAsked: boolean): boolean {
    if (!JobistemerError.isInstance(error)) return false
    return isStorageGone(error) || ((isAsked || !this.#isAtWork) && refusals.includes(error.code))
  }

  /** Nothing is to be sent any more. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** Ends all waiting: what has no answer yet never will have one here. */
  stop(): void {
    this.#stopped = true
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
    remedy: 'Leave transaction out, or keep the jobs in the database of your own rows: SQLite or PostgreSQL.',
  })
}
