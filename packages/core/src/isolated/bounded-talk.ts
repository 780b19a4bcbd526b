import { toLogLine } from '../engine/execution/log-line.ts'
import { type Logger, loggerOf } from '../logger.ts'
import { systemClock } from '../system-clock.ts'
import type { FromChild, ParentLink } from './messages.ts'
import { linesPerSecond } from '../tuning.ts'

type Progress = Extract<FromChild, { kind: 'progress' }>

/** Sends the progress and log lines of one attempt's handler, at a rate that the node can process. */
export class BoundedTalk {
  readonly #parent: ParentLink
  readonly #run: number
  /** The second of the monotonic clock in which the messages of `#sent` were sent. */
  #second = 0
  #sent = { log: 0, progress: 0 }
  #leftOut = 0
  #unsent: Progress | null = null
  /** Sends each line, unless the lines exceed the rate. */
  readonly logger: Logger = loggerOf((level) => (given, said) => {
    if (!this.#maySend('log')) {
      this.#leftOut++
      return
    }
    const { fields = {}, message } = toLogLine(0, level, given, said)
    this.#parent.post({ kind: 'log', run: this.#run, level, fields, message })
  })

  constructor(parent: ParentLink, run: number) {
    this.#parent = parent
    this.#run = run
  }

  /** Sends a report of progress. If it exceeds the rate, the last such report leaves 1 s later, or at the end of the handler. */
  progress(fraction: number, message: string | null): void {
    this.#unsent = { kind: 'progress', run: this.#run, fraction, message }
    if (this.#maySend('progress')) this.#sendProgress()
    else if (this.#sent.progress === linesPerSecond + 1)
      systemClock.setTimer(1000, () => this.#sendProgress(), { unref: true })
  }

  /**
   * Called after the handler has ended, before the child reports this end. Sends the delayed progress, and the number of log
   * lines that were left out.
   */
  end(): void {
    this.#sendProgress()
    this.#sayLeftOut()
  }

  #maySend(kind: 'log' | 'progress'): boolean {
    const second = Math.floor(systemClock.monotonic() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#sent = { log: 0, progress: 0 }
      this.#sayLeftOut()
    }
    return ++this.#sent[kind] <= linesPerSecond
  }

  #sendProgress(): void {
    if (this.#unsent !== null) this.#parent.post(this.#unsent)
    this.#unsent = null
  }

  #sayLeftOut(): void {
    if (this.#leftOut === 0) return
    const fields = { lines: this.#leftOut }
    this.#leftOut = 0
    const message = `an isolated task logs more than ${linesPerSecond} lines a second: some were left out`
    this.#parent.post({ kind: 'log', run: this.#run, level: 'warn', fields, message })
  }
}
