import { type Clock, systemClock } from '@jobistemer/core'
import { random } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { OpenedDatabase } from './open-database.ts'
import { busyError, closedError, isBusy, storageError } from './sqlite-errors.ts'

const busy: unique symbol = Symbol('busy')

/**
 * Time in ms during which a blocked step retries after the shortest possible pause. Other nodes lock the file for a few
 * ms at a time. If the file stays locked for longer, for example by a backup, short pauses would only cost processor
 * time.
 */
const shortPausesMs = 100

/** Callbacks at the beginning and the end of transactions. */
export interface StepListener {
  /** Called at the beginning of a step. `writes`: false for a step that only reads. If the callback throws, the step fails. */
  onStart(writes: boolean): void
  onEnd(): void
  onRollback(): void
}

/**
 * Runs steps as transactions. Writing steps run one after the other. A reading step runs at once.
 *
 * If a step finds the file locked, the step tries again after a short pause, until `limitMs` has elapsed. SQLite's own
 * wait for a lock is turned off, because it would block the thread. It would also be unfair to other connections.
 */
export class Connection {
  readonly #opened: OpenedDatabase
  readonly #limitMs: number
  readonly #listener: StepListener
  readonly #clock: Clock
  readonly #beginWrite: Database.Statement
  readonly #beginRead: Database.Statement
  readonly #commit: Database.Statement
  readonly #rollback: Database.Statement
  #closed = false
  /** Number of writing steps that wait in the queue. */
  #waiting = 0
  #line: Promise<unknown> = Promise.resolve()
  /**
   * Monotonic instant since which writing steps have found the file locked; `null` if the last writing step found the
   * file unlocked.
   */
  #blockedSince: number | null = null

  constructor(opened: OpenedDatabase, limitMs: number, listener: StepListener, clock: Clock = systemClock) {
    const { database } = opened
    this.#opened = opened
    this.#limitMs = limitMs
    this.#listener = listener
    this.#clock = clock
    database.pragma('busy_timeout = 0')
    this.#beginWrite = database.prepare('BEGIN IMMEDIATE')
    this.#beginRead = database.prepare('BEGIN')
    this.#commit = database.prepare('COMMIT')
    this.#rollback = database.prepare('ROLLBACK')
  }

  /**
   * Runs a step that writes. If the promise resolves, the step is committed. If the promise rejects, the step has had
   * no effect. Writing steps take effect in the order of the calls.
   */
  async write<T>(step: () => T): Promise<T> {
    if (this.#waiting === 0) {
      const answer = this.#attemptWrite(step)
      if (answer !== busy) return answer
    }
    const since = this.#clock.monotonic()
    this.#waiting++
    try {
      const answer = this.#line.then(() => this.#persist(() => this.#attemptWrite(step), since))
      // Expected here: an error of the step. Its caller receives it, and the next step begins.
      this.#line = answer.catch(() => undefined)
      return await answer
    } finally {
      this.#waiting--
    }
  }

  /** Runs a step that only reads, on one snapshot. Does not wait for writing steps. */
  async read<T>(step: () => T): Promise<T> {
    const answer = this.#attempt(this.#beginRead, step)
    if (answer !== busy) return answer
    return await this.#persist(() => this.#attempt(this.#beginRead, step), this.#clock.monotonic())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { database, file, isOwn } = this.#opened
    if (!isOwn) return
    try {
      database.close()
    } catch (error) {
      throw storageError(error, file)
    }
  }

  /**
   * Repeats `attempt` until it finds the file unlocked. Fails with `STORAGE_BUSY` after the time limit. `since`: the
   * monotonic instant at which the caller requested the step.
   */
  async #persist<T>(attempt: () => T | typeof busy, since: number): Promise<T> {
    for (;;) {
      const answer = attempt()
      if (answer !== busy) return answer
      // Counts only the time for which the file has been locked, and not the time in this process's queue.
      const waitedMs = this.#clock.monotonic() - Math.max(since, this.#blockedSince ?? since)
      if (waitedMs >= this.#limitMs) throw busyError(this.#opened.file, this.#limitMs, undefined)
      const wantedMs = waitedMs < shortPausesMs ? 1 : 1 + Math.floor(random() * 5)
      await new Promise<void>((resolve) => {
        this.#clock.setTimer(Math.min(wantedMs, this.#limitMs - waitedMs), resolve)
      })
    }
  }

  #attemptWrite<T>(step: () => T): T | typeof busy {
    let isBlocked = false
    try {
      const answer = this.#attempt(this.#beginWrite, step)
      isBlocked = answer === busy
      return answer
    } finally {
      this.#blockedSince = isBlocked ? (this.#blockedSince ?? this.#clock.monotonic()) : null
    }
  }

  #attempt<T>(begin: Database.Statement, step: () => T): T | typeof busy {
    const { database, file, watch } = this.#opened
    if (this.#closed || !database.open) throw closedError(file)
    let isOpen = false
    try {
      watch?.assertSame()
      begin.run()
      isOpen = true
      const writes = begin === this.#beginWrite
      this.#listener.onStart(writes)
      const answer = step()
      if (writes) this.#listener.onEnd()
      this.#commit.run()
      return answer
    } catch (error) {
      // After some failures, such as a full disk, SQLite itself has already ended the transaction, and a rollback would
      // fail.
      if (isOpen && database.inTransaction) this.#rollback.run()
      if (isOpen) this.#listener.onRollback()
      if (isBusy(error)) return busy
      throw storageError(error, file)
    }
  }
}
