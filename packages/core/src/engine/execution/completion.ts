import { JobistemerError, printValue } from '../../errors.ts'
import type { TaskRunRecord } from '../../storage/occurrence-record.ts'

/** A task of which a completion was committed after its handler had ended adopts that completion. */
interface CompletingTask {
  adopt(stored: Completion): void
}

/** That a task has completed, as it was written in a transaction of its handler's. */
export interface Completion {
  readonly task: CompletingTask
  readonly run: TaskRunRecord
  /** Under which number it was said. */
  readonly sequence: number
}

/**
 * What the handlers of one occurrence have said in transactions of their own. Nobody here hears of a commit: from the first
 * call on it is in doubt what the storage has, and nothing else is said of the occurrence, which is written whole. When the
 * handler has ended, the record decides. See decision 0014.
 */
export class Completions {
  /** The last number that was said outside transactions before any of these; `null`: none of them can be stored. */
  #upTo: number | null = null
  #said: Completion[] = []
  /** Whose handler runs, and may commit. */
  #open: CompletingTask | null = null
  #isWriting = false
  readonly #waiting = new Set<() => void>()

  /** A handler has begun to complete its task, and what becomes of that is not known. */
  get isOpen(): boolean {
    return this.#open !== null
  }

  /** A completion is on its way to the storage. */
  get isWriting(): boolean {
    return this.#isWriting
  }

  /** What is said outside transactions holds only while the storage has nothing above this; `null`: no such condition. */
  get upTo(): number | null {
    return this.#upTo
  }

  isOf(task: CompletingTask): boolean {
    return this.#open === task
  }

  /** `sequence` is the last number that was given away. */
  begin(task: CompletingTask, sequence: number): void {
    this.#open = task
    this.#upTo ??= sequence
  }

  async write<T>(completion: Completion, call: () => Promise<T>): Promise<T> {
    this.#said.push(completion)
    this.#isWriting = true
    try {
      return await call()
    } finally {
      this.#isWriting = false
    }
  }

  /** The one that the storage has, if it has any. */
  storedAs(sequence: number): Completion | null {
    return this.#said.find((completion) => completion.sequence === sequence) ?? null
  }

  /** One was committed after its handler had ended: which, the record tells. */
  reopen(): void {
    this.#open = this.#said.at(-1)?.task ?? null
  }

  /** What became of it is known, as far as it can be: what is not stored by now may be committed later. */
  close(): void {
    this.#open = null
    for (const go of [...this.#waiting]) go()
  }

  /** One of them is stored, or something that came after all of them. */
  settle(): void {
    this.#upTo = null
    this.#said = []
  }

  /** Resolves when no other task's handler may commit. Rejects with what the signal fires with. */
  async awaitTurn(task: CompletingTask, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.#open !== null && this.#open !== task) {
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#waiting.delete(go)
          signal.removeEventListener('abort', go)
          resolve()
        }
        this.#waiting.add(go)
        signal.addEventListener('abort', go, { once: true })
      })
      signal.throwIfAborted()
    }
  }
}

/** The handler has ended, and its transaction has not been committed. */
export function notCommitted(taskName: string): JobistemerError {
  return new JobistemerError('TRANSACTION_NOT_COMMITTED', {
    message: `Task ${printValue(taskName)} was completed in a transaction that was not committed when its handler ended.`,
    field: 'transaction',
    value: taskName,
    remedy: 'Wait for the commit before the handler returns, and let the error through when it fails.',
  })
}

/** A handler completes its task in a transaction, and a completion of it is stored, or comes before in the same one. */
export function alreadyCompleted(taskName: string): JobistemerError {
  return new JobistemerError('ALREADY_COMPLETED', {
    message: `Task ${printValue(taskName)} has been completed in a transaction before.`,
    field: 'transaction',
    value: taskName,
    remedy: 'Call complete once in a transaction; again only after that one was rolled back.',
  })
}

/** A handler says something that only a handler under way can say. */
export function attemptOver(taskName: string, attempt: number): JobistemerError {
  return new JobistemerError('ATTEMPT_OVER', {
    message: `Attempt ${attempt} of task ${printValue(taskName)} has ended.`,
    field: 'attempt',
    value: attempt,
    remedy: 'Await complete, and the commit, before the handler returns.',
  })
}
