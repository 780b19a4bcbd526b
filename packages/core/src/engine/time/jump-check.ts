import type { TimeReading } from './time-reading.ts'
import { clockToleranceMs, fewestReadings } from './tuning.ts'

/** Checks whether a clock stays at its new time after a jump: readings agree with the first one and the monotonic clock. */
export class JumpCheck {
  #first: TimeReading | null = null
  #readings = 0

  /** Number of readings that agree so far. */
  get readings(): number {
    return this.#readings
  }

  /**
   * Adds a reading. Returns whether all readings have agreed for at least `forMs`. The storage may read its clock at any
   * instant between request and answer. So the time counts from the answer of the first reading to the request of the last.
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

  /** Forgets all readings. */
  clear(): void {
    this.#first = null
    this.#readings = 0
  }
}

function agree(one: TimeReading, other: TimeReading): boolean {
  return Math.abs(one.origin - other.origin) <= clockToleranceMs + one.uncertaintyMs + other.uncertaintyMs
}
