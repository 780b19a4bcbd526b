import { JobistemerError } from '../../errors.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { maxClockSkewMs } from '../../tuning.ts'
import { readingsPerMeasurement } from './tuning.ts'

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
 * Reads the clock of the storage. The storage reads its clock at an unknown instant between request and answer; this class
 * assumes the middle. Of a few readings, this class uses the one with the shortest call (Cristian, 1989, "Probabilistic
 * clock synchronization").
 */
export class StorageClock {
  readonly #engine: Pick<EngineContext, 'clock' | 'storage'>
  readonly #resolutionMs: number

  constructor(engine: Pick<EngineContext, 'clock' | 'storage'>, options: { readonly resolutionMs: number }) {
    this.#engine = engine
    this.#resolutionMs = options.resolutionMs
  }

  /** Returns the most certain of a few readings. @throws JobistemerError `STORAGE_FAILED` if an answer is no finite number */
  async readBest(): Promise<TimeReading> {
    let best = await this.read()
    for (let count = 1; count < readingsPerMeasurement; count++) {
      const other = await this.read()
      if (other.uncertaintyMs < best.uncertaintyMs) best = other
    }
    return best
  }

  /** Returns one reading of the storage's clock. @throws JobistemerError `STORAGE_FAILED` if the answer is no finite number */
  async read(): Promise<TimeReading> {
    const { clock, storage } = this.#engine
    let sentAt = 0
    let difference = 0
    const time = await storage.repeated('serverTime', async (calls) => {
      sentAt = clock.monotonic()
      // Read the wall clock before the request. If the machine then sleeps during the call, the next comparison of the clocks
      // detects the sleep.
      difference = clock.now() - sentAt
      return await calls.serverTime?.()
    })
    if (time === undefined || !Number.isFinite(time)) {
      throw new JobistemerError('STORAGE_FAILED', {
        message: `The storage's serverTime() answered ${time}.`,
        field: 'serverTime',
        value: time,
        remedy:
          'serverTime() must return epoch milliseconds. An adapter of a storage without a clock omits serverTime.',
      })
    }
    const receivedAt = clock.monotonic()
    return {
      origin: time + (this.#resolutionMs - 1) / 2 - (sentAt + receivedAt) / 2,
      uncertaintyMs: (receivedAt - sentAt) / 2 + this.#resolutionMs,
      sentAt,
      receivedAt,
      difference,
    }
  }
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

  /** Forgets all readings. */
  clear(): void {
    this.#first = null
    this.#readings = 0
  }
}

function agree(one: TimeReading, other: TimeReading): boolean {
  return Math.abs(one.origin - other.origin) <= maxClockSkewMs + one.uncertaintyMs + other.uncertaintyMs
}

/** Remembers the forward steps of the engine's time. */
export class ClockSteps {
  readonly #steps: { readonly at: number; readonly byMs: number }[] = []
  #wall = Number.NaN
  #monotonic = 0

  /**
   * Compares the engine's time and the monotonic clock with their values at the last call, and remembers a forward step. A
   * jump changes the engine's time only after its confirmation.
   */
  look(engine: Pick<EngineContext, 'clock' | 'now' | 'logger'>): void {
    const wall = engine.now()
    const monotonic = engine.clock.monotonic()
    const expected = this.#wall + (monotonic - this.#monotonic)
    const byMs = wall - expected
    if (Math.abs(byMs) > maxClockSkewMs) engine.logger.warn({ byMs }, 'the wall clock of this node was set')
    // Backward steps are not remembered, because only a forward step makes a running occurrence look older than it is.
    if (byMs > maxClockSkewMs) this.#steps.push({ at: expected, byMs })
    this.#wall = wall
    this.#monotonic = monotonic
  }

  /**
   * If the engine's time stepped forward, an occurrence that began at this instant looks older than it is. Returns the
   * difference, in ms.
   */
  forwardSince(startedAt: number): number {
    let sum = 0
    for (const { at, byMs } of this.#steps) if (startedAt <= at) sum += byMs
    return sum
  }
}
