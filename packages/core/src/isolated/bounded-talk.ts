import { systemClock } from '../system-clock.ts'
import type { ParentLink } from './parent-link.ts'
import { linesPerSecond, progressEveryMs } from '../tuning.ts'

type Line = Extract<Parameters<ParentLink['post']>[0], { kind: 'log' }>
type Progress = Extract<Parameters<ParentLink['post']>[0], { kind: 'progress' }>

/** The reports of one attempt's handler, limited to a rate that its node can process. */
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

  /** Only the latest progress is sent. */
  progress(fraction: number, message: string | null): void {
    this.#progress = { kind: 'progress', run: this.#run, fraction, message }
    const waitMs = this.#progressSentAt + progressEveryMs - systemClock.monotonic()
    // Sends at once if the interval is over, because a handler that blocks its event loop delays timers.
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

  /** The handler has ended. Sends the delayed progress and the number of dropped lines before the end is reported. */
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
