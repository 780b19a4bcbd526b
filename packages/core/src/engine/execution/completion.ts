import { EventEmitter, once } from 'node:events'
import { JobistemerError, printValue } from '../../errors.ts'
import type { TaskRunRecord } from '../../storage/occurrence-record.ts'

/**
 * The task whose handler has called `complete`. If the transaction commits after the handler's end, the task adopts the stored
 * completion.
 */
interface CompletingTask {
  adopt(stored: Completion): void
}

/** The completion of a task, as its handler wrote it in the handler's own transaction. */
export interface Completion {
  readonly task: CompletingTask
  readonly run: TaskRunRecord
  /** The sequence of the settle item that carries this completion. */
  readonly sequence: number
}

/**
 * The completions that the handlers of one occurrence have written in their own transactions (decision 0014).
 *
 * The engine cannot observe whether a transaction commits. So after a call of `complete`, the execution settles nothing until
 * the handler has ended. Then it reads the stored record, which shows the outcome.
 */
export class Completions {
  /**
   * The last sequence that the execution assigned before the first completion; `null`: no completion can still commit.
   *
   * Until {@link settle}, each settle item and each completion carries this value as `upToSequence`. If the stored sequence is
   * higher, a completion was committed that this execution has not read. The storage then rejects the item or completion.
   */
  upTo: number | null = null
  /** Completions whose transaction has been committed or may still commit. */
  #said: Completion[] = []
  /** The task whose handler has called `complete`, until the execution has read the outcome; `null`: no such task. */
  #open: CompletingTask | null = null
  /** Whether a storage call that writes a completion is in progress. */
  isWriting = false
  /** Emits `close` after each call of {@link close}. Any number of tasks may listen. */
  readonly #closes = new EventEmitter().setMaxListeners(0)

  /** Whether a handler has called `complete`, and the outcome of its transaction is still unknown. */
  get isOpen(): boolean {
    return this.#open !== null
  }

  isOf(task: CompletingTask): boolean {
    return this.#open === task
  }

  /** Opens a completion for a task. `sequence`: the last sequence that the execution has assigned. */
  begin(task: CompletingTask, sequence: number): void {
    this.#open = task
    this.upTo ??= sequence
  }

  async write<T>(completion: Completion, call: () => Promise<T>): Promise<T> {
    this.#said.push(completion)
    this.isWriting = true
    try {
      return await call()
    } finally {
      this.isWriting = false
    }
  }

  /** Returns the completion with this stored sequence; `null`: the stored sequence belongs to no completion. */
  storedAs(sequence: number): Completion | null {
    return this.#said.find((completion) => completion.sequence === sequence) ?? null
  }

  /**
   * Records that a transaction was committed after {@link close}. The execution settles nothing until it has read the record.
   */
  reopen(): void {
    this.#open = this.#said.at(-1)?.task ?? null
  }

  /**
   * Records that the execution has read the record after the handler's end, so it may settle again. Keeps {@link upTo}, because
   * a transaction that the record did not show may still commit.
   */
  close(): void {
    this.#open = null
    this.#closes.emit('close')
  }

  /**
   * Records that no completion can commit any more, because the storage has accepted a completion or a later settle.
   */
  settle(): void {
    this.upTo = null
    this.#said = []
  }

  /**
   * Resolves when no other task has an open completion. Rejects with the abort reason of the signal.
   */
  async awaitTurn(task: CompletingTask, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.#open !== null && this.#open !== task) {
      // The error of an abort is thrown by the next line, which throws the reason of the signal.
      await once(this.#closes, 'close', { signal }).catch(() => undefined)
      signal.throwIfAborted()
    }
  }
}

/** Returns the error of a handler that called `complete` and ended before its transaction was committed. */
export function notCommitted(taskName: string): JobistemerError {
  return new JobistemerError('TRANSACTION_NOT_COMMITTED', {
    message: `Task ${printValue(taskName)} was completed in a transaction that was not committed when its handler ended.`,
    field: 'transaction',
    value: taskName,
    remedy: 'Await the commit before the handler returns. If the commit fails, let its error reject the handler.',
  })
}

/**
 * Returns the error of a second call of `complete` for the same task, after a stored completion or in the same
 * transaction.
 */
export function alreadyCompleted(taskName: string): JobistemerError {
  return new JobistemerError('ALREADY_COMPLETED', {
    message: `Task ${printValue(taskName)} has been completed in a transaction before.`,
    field: 'transaction',
    value: taskName,
    remedy: 'Call complete once per transaction. Call it again only after a rollback of that transaction.',
  })
}

/** Returns the error of a handler that uses its context after the attempt has ended. */
export function attemptOver(taskName: string, attempt: number): JobistemerError {
  return new JobistemerError('ATTEMPT_OVER', {
    message: `Attempt ${attempt} of task ${printValue(taskName)} has ended.`,
    field: 'attempt',
    value: attempt,
    remedy: 'Await complete and the commit before the handler returns.',
  })
}
