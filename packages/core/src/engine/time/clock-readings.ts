import { maxClockSkewMs } from '../../tuning.ts'

/** A reading of a clock, related to this node's monotonic clock. */
export interface TimeReading {
  /** The time that the clock shows at the monotonic instant 0, in epoch ms. */
  readonly origin: number
  /** Maximum error of the reading, in ms. */
  readonly uncertaintyMs: number
  /** Monotonic instant at which the request was sent. The clock was read between `sentAt` and `receivedAt`. */
  readonly sentAt: number
  readonly receivedAt: number
  /** Wall clock minus monotonic clock of this node when the request was sent, in ms. */
  readonly difference: number
}

/**
 * Checks whether a clock keeps its new time after a jump: each reading must agree with the first one, extrapolated by the
 * monotonic clock.
 */
export class JumpCheck {
  #first: TimeReading | null = null
  #readings = 0

  /**
   * Adds a reading. Returns whether all readings have agreed for at least `forMs`. The storage may read its clock at any
   * instant between request and answer. So only the time from the answer of the first reading to the request of the last
   * reading counts.
   */
  holds(reading: TimeReading, forMs: number): boolean {
    const first = this.#first
    if (first === null || !agree(first, reading)) {
      this.#first = reading
      this.#readings = 1
      return false
    }
    this.#readings++
    // At least five readings must agree, because two readings may share the same error.
    return reading.sentAt - first.receivedAt >= forMs && this.#readings >= 5
  }
}

function agree(one: TimeReading, other: TimeReading): boolean {
  return Math.abs(one.origin - other.origin) <= maxClockSkewMs + one.uncertaintyMs + other.uncertaintyMs
}
