import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { BackgroundLoop, EngineStopped } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { Signal } from '../runtime/signal.ts'
import { JumpCheck, type TimeReading } from './clock-readings.ts'
import { clockMarginMs, lookMs, maxClockSkewMs, upkeepMs } from '../../tuning.ts'
import { confirmMs, readingsPerMeasurement } from './tuning.ts'

/**
 * The time by which the engine schedules:
 * - If the storage has a clock, the engine reads it once a minute and extrapolates by the monotonic clock.
 * - If the storage has no clock, the engine uses the node's wall clock. It also does so if the node's clock is authoritative.
 *
 * After a jump, the time is in doubt until the readings have agreed for at least {@link confirmMs} (decision 8). Meanwhile
 * `now` continues from the last confirmed time, and no work may begin.
 */
export class EngineTime {
  /** Sent when the time is confirmed after it was in doubt. */
  readonly confirmed: Signal = new Signal()
  readonly #engine: EngineContext
  readonly #limitMs: number
  /** Whether the engine uses the clock of the storage. */
  readonly #hasStorageClock: boolean
  /** Resolution of the storage's clock, in ms. */
  readonly #resolutionMs: number
  /** The readings since the last confirmed time. */
  #check = new JumpCheck()
  readonly #loop: BackgroundLoop
  /** The engine's time at the monotonic instant 0; `null` before the first confirmation. */
  #origin: number | null = null
  /** Wall clock minus monotonic clock at the last confirmation, in ms. */
  #difference = 0
  /**
   * Milliseconds by which this node's wall clock is ahead of the storage's clock. 0 if the difference is below the accuracy
   * of the reading, or if the storage has no clock.
   */
  skewMs = 0
  #isSkewed = false
  /**
   * Whether a reading contradicts the confirmed time. Before the first confirmation, readings are compared with the wall
   * clock.
   */
  #isContradicted = false
  /** Whether the wall clock has jumped and no reading has followed yet. */
  #isToBeRead = false
  #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null

  constructor(engine: EngineContext, options: { readonly storage: Storage; readonly limitMs: number }) {
    const { storage, limitMs } = options
    this.#engine = engine
    this.#limitMs = limitMs
    this.#resolutionMs = storage.capabilities.serverTimeResolutionMs ?? 1
    this.#hasStorageClock = storage.serverTime !== undefined && engine.clock.isAuthoritative !== true
    this.#loop = new BackgroundLoop(engine, { name: 'serverTime', round: () => this.#measure() })
  }

  /**
   * Whether a clock has jumped and the time is not confirmed yet. The caller calls `now` first, because `now` reads the
   * clocks.
   */
  get isInDoubt(): boolean {
    return this.#isContradicted || this.#isToBeRead
  }

  now(): number {
    const { clock } = this.#engine
    const wall = clock.now()
    if (this.#origin === null) return wall
    const monotonic = clock.monotonic()
    const difference = wall - monotonic
    const movedMs = Math.abs(difference - this.#difference)
    if (!this.isInDoubt) {
      if (!this.#hasStorageClock && movedMs <= clockMarginMs) {
        this.#origin = this.#difference = difference
        return wall
      }
      // Either the wall clock was set, or the machine slept while the monotonic clock stood still. Only a new reading shows
      // which.
      if (movedMs > maxClockSkewMs) {
        this.#isToBeRead = movedMs > clockMarginMs
        if (this.#loop.underWay === null) this.#loop.run()
      }
    }
    return Math.floor(this.#origin + monotonic)
  }

  /**
   * Resolves when the time is confirmed: after one measurement, or after at least {@link confirmMs} if the clocks of the
   * storage and of this node disagree.
   */
  async start(): Promise<void> {
    if (this.#engine.clock.isAuthoritative === true) return
    await this.#measure()
    if (!this.#isContradicted) return
    if (this.#loop.isStopped) throw new EngineStopped()
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** Stops the measurements of the time. A call of `start` that still waits rejects. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    this.#waiting?.reject(new EngineStopped())
  }

  async #measure(): Promise<void> {
    try {
      this.#judge(this.#hasStorageClock ? await this.#readBest() : this.#readOwnClock())
    } finally {
      // Measures again even after an invalid answer of the storage, because the next answer may be valid.
      if (this.isInDoubt) this.#loop.runIn(lookMs)
      else if (this.#hasStorageClock) this.#loop.runIn(upkeepMs)
    }
  }

  #readOwnClock(): TimeReading {
    const readAt = this.#engine.clock.monotonic()
    const difference = this.#engine.clock.now() - readAt
    return { origin: difference, uncertaintyMs: 0, sentAt: readAt, receivedAt: readAt, difference }
  }

  /**
   * Reads the clock of the storage. Of a few readings, returns the one with the shortest call. While the time is in doubt,
   * makes only one reading.
   */
  async #readBest(): Promise<TimeReading> {
    const readings = this.#isContradicted ? 1 : readingsPerMeasurement
    let best = await this.#readStorageClock()
    for (let count = 1; count < readings; count++) {
      const other = await this.#readStorageClock()
      if (other.uncertaintyMs < best.uncertaintyMs) best = other
    }
    return best
  }

  /**
   * Returns one reading of the storage's clock. The storage reads its clock at an unknown instant between request and answer;
   * this method assumes the middle (Cristian, 1989, "Probabilistic clock synchronization").
   */
  async #readStorageClock(): Promise<TimeReading> {
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

  #judge(reading: TimeReading): void {
    const toleranceMs = this.#origin === null ? Math.max(clockMarginMs, this.#limitMs) : clockMarginMs
    if (Math.abs(this.#contradictionOf(reading)) <= toleranceMs + reading.uncertaintyMs) {
      this.#adopt(reading)
      return
    }
    this.#doubt(reading)
    if (this.#check.holds(reading, this.#confirmMsOf(reading))) this.#adopt(reading)
  }

  /**
   * Returns by how many milliseconds a reading is ahead of the confirmed time. Before the first confirmation there is no
   * confirmed time, so this method compares the reading with the wall clock.
   */
  #contradictionOf({ origin, difference }: TimeReading): number {
    return origin - (this.#origin ?? difference)
  }

  #confirmMsOf({ origin, uncertaintyMs, difference }: TimeReading): number {
    if (this.#origin === null || !this.#hasStorageClock) return confirmMs
    const hasWallMoved = Math.abs(difference - this.#difference) > clockMarginMs
    const isWallReached = Math.abs(origin - difference) <= Math.max(maxClockSkewMs, this.#limitMs) + uncertaintyMs
    return hasWallMoved || isWallReached ? confirmMs : 4 * confirmMs
  }

  #doubt(reading: TimeReading): void {
    this.#isToBeRead = false
    if (this.#isContradicted) return
    this.#isContradicted = true
    const { events, logger } = this.#engine
    const clock = this.#hasStorageClock ? 'storage' : 'node'
    const byMs = Math.round(this.#contradictionOf(reading))
    events.emit('clock.unconfirmed', { clock, byMs })
    logger.warn({ clock, byMs }, 'a clock has jumped: no run starts until the time is confirmed')
  }

  #adopt({ origin, uncertaintyMs, difference }: TimeReading): void {
    const before = this.#origin
    this.#difference = difference
    const skewMs = difference - origin
    const isTold = Math.abs(skewMs) > uncertaintyMs
    this.skewMs = isTold ? skewMs : 0
    this.#origin = isTold ? origin : difference
    this.#check = new JumpCheck()
    this.#engine.agenda.rearm()
    this.#report()
    this.#endDoubt(before === null ? 0 : Math.round(this.#origin - before))
  }

  #endDoubt(byMs: number): void {
    const wasContradicted = this.#isContradicted
    const wasInDoubt = this.isInDoubt
    this.#isContradicted = false
    this.#isToBeRead = false
    if (wasContradicted) {
      const { events, logger } = this.#engine
      events.emit('clock.confirmed', { byMs })
      logger.info({ byMs }, 'the time after a clock jump is confirmed: runs start again')
    }
    if (wasInDoubt) this.confirmed.send()
    this.#waiting?.resolve()
  }

  #report(): void {
    const isSkewed = Math.abs(this.skewMs) > this.#limitMs
    if (isSkewed === this.#isSkewed) return
    this.#isSkewed = isSkewed
    const { events, logger } = this.#engine
    const skewMs = Math.round(this.skewMs)
    if (isSkewed) {
      events.emit('clock.skewed', { skewMs, limitMs: this.#limitMs })
      logger.warn({ skewMs }, 'the clock of this node is wrong: using the clock of the storage')
    } else logger.info({ skewMs }, 'the clock of this node is right again')
  }
}
