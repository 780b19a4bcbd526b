import { systemClock } from '../system-clock.ts'
import type { FromChild, ParentLink } from './messages.ts'
import { linesPerSecond } from '../tuning.ts'

type Line = Extract<FromChild, { kind: 'log' }>
type Progress = Extract<FromChild, { kind: 'progress' }>

/** Sends the progress and log lines of one attempt's handler, at a rate that the node can process. */
export class BoundedTalk {
  readonly #parent: ParentLink
  readonly #run: number
  #credit = 2 * linesPerSecond
  #creditAt = systemClock.monotonic()
  #leftOut = 0
  #progress: Progress | null = null
  #progressSentAt = Number.NEGATIVE_INFINITY
  #isWaiting = false

  constructor(parent: ParentLink, run: number) {
    this.#parent = parent
    this.#run = run
  }

  /** Stores a report of progress to send. Of several reports within 100 ms, only the latest is sent. */
  progress(fraction: number, message: string | null): void {
    this.#progress = { kind: 'progress', run: this.#run, fraction, message }
    const waitMs = this.#progressSentAt + 100 - systemClock.monotonic()
    // Send at once if 100 ms have passed: a handler that blocks its event loop would delay a timer.
    if (waitMs <= 0) this.#sendProgress()
    else if (!this.#isWaiting) {
      this.#isWaiting = true
      const send = (): void => {
        this.#isWaiting = false
        this.#sendProgress()
      }
      systemClock.setTimer(waitMs, send, { unref: true })
    }
  }

  line(line: Omit<Line, 'kind' | 'run'>): void {
    const now = systemClock.monotonic()
    this.#credit = Math.min(2 * linesPerSecond, this.#credit + ((now - this.#creditAt) * linesPerSecond) / 1000)
    this.#creditAt = now
    if (this.#credit < 1) {
      this.#leftOut++
      return
    }
    this.#credit--
    this.#sayLeftOut()
    this.#parent.post({ kind: 'log', run: this.#run, ...line })
  }

  /**
   * Called after the handler has ended, before the child reports this end. Sends the delayed progress, and the number of log
   * lines that were left out.
   */
  end(): void {
    this.#sendProgress()
    this.#sayLeftOut()
  }

  #sendProgress(): void {
    if (this.#progress === null) return
    this.#parent.post(this.#progress)
    this.#progress = null
    this.#progressSentAt = systemClock.monotonic()
  }

  #sayLeftOut(): void {
    if (this.#leftOut === 0) return
    const fields = { lines: this.#leftOut }
    this.#leftOut = 0
    const message = `an isolated task logs more than ${linesPerSecond} lines a second: some were left out`
    this.#parent.post({ kind: 'log', run: this.#run, level: 'warn', fields, message })
  }
}
