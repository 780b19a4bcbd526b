import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { RenewedMap } from '../loop/renewed-map.ts'

/** What an execution has not told the storage yet is told so long after it came up, for people who look. */
const longestSilenceMs = 1000

/** What comes up within so much time is told together. */
const gatherMs = 50

/** Who has something to say that can wait. */
interface Unsaid {
  sayUnsaid(): void
}

/**
 * Executions that the storage does not know all of: they began by their claim and nothing is stored of their attempts, or
 * a handler has said how far it has come, or has logged. Nearly always something is to be said soon anyway, and takes that
 * along; the others say so after a second, all of them behind one alarm.
 */
export class UnsaidThings implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock'>
  /** Since when, oldest first. */
  readonly #since = new RenewedMap<Unsaid, number>()

  constructor(engine: Pick<EngineContext, 'agenda' | 'clock'>) {
    this.#engine = engine
  }

  /** One that waits already goes on waiting from then. */
  add(unsaid: Unsaid): void {
    if (this.#since.has(unsaid)) return
    this.#since.set(unsaid, this.#engine.clock.monotonic())
    if (this.heapIndex < 0) this.#engine.agenda.setAlarm(this, longestSilenceMs)
  }

  /** It has said all there is, or has ended. */
  delete(unsaid: Unsaid): void {
    this.#since.delete(unsaid)
  }

  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (let oldest = this.#since.first(); oldest !== undefined; oldest = this.#since.first()) {
      const [unsaid, since] = oldest
      const leftMs = since + longestSilenceMs - now
      if (leftMs > 0) {
        this.#engine.agenda.setAlarm(this, Math.max(leftMs, gatherMs))
        return
      }
      this.#since.delete(unsaid)
      unsaid.sayUnsaid()
    }
  }
}
