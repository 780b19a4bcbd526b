import type { TimeReading } from './time-reading.ts'
import { clockToleranceMs, fewestReadings } from './tuning.ts'

/** Whether a clock that has jumped stays where it is: readings agree with the first one and with the monotonic clock. */
export class JumpCheck {
  #first: TimeReading | null = null
  #readings = 0

  /** How many readings agree so far. */
  get readings(): number {
    return this.#readings
  }

  /**
   * Takes the next reading. True when all of them have agreed for so long. An answer that took its time may have been read
   * at any instant on its way, so what counts lies between the arrival of the first and the sending of the last.
   */
  holds(reading: TimeReading, forMs: number): boolean {
    const first = this.#first
    if (first === null || !agree(first, reading)) {
      this.#first = reading
      this.#readings = 1
      return false
    }
    this.#readings++
    return reading.sentAt - first.receivedAt >= forMs && this.#readings >= fewestReadings
  }

  /** Begins anew with the next reading. */
  clear(): void {
    this.#first = null
    this.#readings = 0
  }
}

function agree(one: TimeReading, other: TimeReading): boolean {
  return Math.abs(one.origin - other.origin) <= clockToleranceMs + one.uncertaintyMs + other.uncertaintyMs
}
