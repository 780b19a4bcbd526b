import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'

/** An occurrence that still runs so long after its claim says what it does, for people who look. */
const longestSilenceMs = 1000

/** Who has begun by a claim, and has said nothing yet. */
interface Unsaid {
  sayStart(): void
}

/**
 * Occurrences that began by their claim: nothing is stored of their attempts until they say something. The quick ones end
 * before that matters; the others say so, all of them behind one alarm.
 */
export class UnsaidStarts implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock'>
  /** Since when, oldest first. */
  readonly #since = new Map<Unsaid, number>()

  constructor(engine: Pick<EngineContext, 'agenda' | 'clock'>) {
    this.#engine = engine
  }

  add(unsaid: Unsaid): void {
    this.#since.set(unsaid, this.#engine.clock.monotonic())
    if (this.heapIndex < 0) this.#engine.agenda.setAlarm(this, longestSilenceMs)
  }

  delete(unsaid: Unsaid): void {
    this.#since.delete(unsaid)
  }

  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (const [unsaid, since] of this.#since) {
      const leftMs = since + longestSilenceMs - now
      if (leftMs > 0) {
        this.#engine.agenda.setAlarm(this, leftMs)
        return
      }
      this.#since.delete(unsaid)
      unsaid.sayStart()
    }
  }
}
