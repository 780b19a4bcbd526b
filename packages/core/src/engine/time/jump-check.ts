import type { TimeReading } from './time-reading.ts'

/**
 * What a wrong reading within this moves heals in a moment, and is less than the reaper's grace. What goes beyond is a
 * jump, and is followed only once it is confirmed.
 */
export const jumpMs = 5000

/** How long a jump has to hold before it is followed. */
export const confirmMs = 15_000

/** How often a clock is read that is in doubt. */
export const readInDoubtMs = 1000

// Readings of a clock that is right differ by far less, apart from their uncertainty.
const agreeMs = 1000

// Two readings may hit two errors of one kind; so many that agree, over the whole length of time, are no error.
const fewestReadings = 5

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
  return Math.abs(one.origin - other.origin) <= agreeMs + one.uncertaintyMs + other.uncertaintyMs
}
