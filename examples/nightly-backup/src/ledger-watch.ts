import { createScheduler, type Occurrence, type Scheduler } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

const lookEveryMs = 100
const mostOccurrences = 10_000

/** The occurrences of a job in the ledger, read at one moment. */
export interface LedgerLook {
  readonly at: Date
  /** The job's occurrences, ordered by slot. */
  readonly occurrences: readonly Occurrence[]
}

/** Reads a job's occurrences from the ledger at intervals. */
export class LedgerWatch {
  /** Rejects if the ledger cannot be read, or if it does not change for the time of the option `longestSilenceMs`. */
  readonly failed: Promise<never>
  readonly #reader: Scheduler
  readonly #jobName: string
  readonly #longestSilenceMs: number
  readonly #onLook: (before: LedgerLook, now: LedgerLook) => void
  #reportFailure: (error: unknown) => void = () => undefined
  #last: LedgerLook = { at: new Date(), occurrences: [] }
  #waiting: { readonly condition: (now: readonly Occurrence[]) => boolean; readonly resolve: () => void }[] = []
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<unknown> = Promise.resolve()
  #stopped = false
  #lastChange = { at: new Date(), ledger: '' }

  constructor(options: {
    readonly storage: Storage
    readonly jobName: string
    readonly longestSilenceMs: number
    readonly onLook: (before: LedgerLook, now: LedgerLook) => void
  }) {
    // A scheduler that is never started only reads: it runs and claims nothing.
    this.#reader = createScheduler({ storage: options.storage })
    this.#jobName = options.jobName
    this.#longestSilenceMs = options.longestSilenceMs
    this.#onLook = options.onLook
    this.failed = new Promise((_, reject) => {
      this.#reportFailure = reject
    })
    // Avoids an unhandled rejection if a read fails while no caller waits for `failed`.
    this.failed.catch(() => undefined)
    this.#lookAgainAndAgain()
  }

  /** Resolves when the occurrences in the ledger fulfil the condition. */
  until(condition: (now: readonly Occurrence[]) => boolean): Promise<void> {
    if (condition(this.#last.occurrences)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ condition, resolve }))
  }

  /** Reads the ledger now. Reads never overlap, so no read returns an older state than the previous read. */
  look(): Promise<readonly Occurrence[]> {
    const look = this.#looking.then(() => this.#look())
    // Even if a read fails, the next read starts. The caller of `look` receives the error.
    this.#looking = look.catch(() => undefined)
    return look
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #lookAgainAndAgain(): void {
    this.look().then(
      () => {
        if (!this.#stopped) this.#timer = setTimeout(() => this.#lookAgainAndAgain(), lookEveryMs)
      },
      (error) => this.#reportFailure(error),
    )
  }

  async #look(): Promise<readonly Occurrence[]> {
    const before = this.#last
    const at = new Date()
    const occurrences = (await this.#reader.occurrences({ job: this.#jobName, limit: mostOccurrences })).items
    this.#last = { at, occurrences }
    this.#onLook(before, this.#last)
    this.#noticeSilence()
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ condition }) => !condition(occurrences))
    for (const { condition, resolve } of waiting) if (condition(occurrences)) resolve()
    return occurrences
  }

  #noticeSilence(): void {
    const { at, occurrences } = this.#last
    const ledger = JSON.stringify(occurrences)
    if (ledger !== this.#lastChange.ledger) this.#lastChange = { at, ledger }
    else if (at.getTime() - this.#lastChange.at.getTime() > this.#longestSilenceMs) {
      this.#reportFailure(
        new Error(`Nothing has changed in the ledger for ${Math.round(this.#longestSilenceMs / 60_000)} minutes.`),
      )
    }
  }
}
