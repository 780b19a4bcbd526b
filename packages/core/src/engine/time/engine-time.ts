import type { Storage } from '../../storage/storage.ts'
import { BackgroundLoop, EngineStopped } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { Signal } from '../runtime/signal.ts'
import { HeadsWitness } from './heads-witness.ts'
import { JumpCheck } from './jump-check.ts'
import { StorageClock } from './storage-clock.ts'
import type { TimeReading } from './time-reading.ts'
import {
  clockToleranceMs,
  confirmAgainstOthersMs,
  confirmAgainstWallMs,
  confirmMs,
  jumpMs,
  measureEveryMs,
  readInDoubtMs,
} from './tuning.ts'

/**
 * The time by which the engine schedules. If the storage has a clock, the engine reads it once a minute and extrapolates by
 * the monotonic clock. Then a wrong or changed wall clock has no effect. Without a storage clock, and with an authoritative
 * clock, the engine uses the node's wall clock.
 *
 * After a jump, the time is in doubt. It is confirmed when the readings have agreed with each other and with the monotonic
 * clock for at least {@link confirmMs} (decision 8). Meanwhile `now` continues from the last confirmed time, and no work may
 * begin.
 */
export class EngineTime {
  /** Sent when the time is confirmed after a doubt. The time may have jumped. */
  readonly confirmed: Signal = new Signal()
  readonly #engine: EngineContext
  readonly #limitMs: number
  readonly #isAuthoritative: boolean
  readonly #storageClock: StorageClock | null
  readonly #heads: HeadsWitness
  readonly #check = new JumpCheck()
  readonly #loop: BackgroundLoop
  /** The engine's time at the monotonic instant 0; `null` before the first confirmation. */
  #origin: number | null = null
  /** Wall clock minus monotonic clock at the last confirmation. */
  #difference = 0
  #skewMs = 0
  #isSkewed = false
  /** A reading contradicts the confirmed time. At the start, it contradicts the wall clock. */
  #isContradicted = false
  /** The wall clock has jumped, and no reading has followed yet. */
  #isToBeRead = false
  /** Monotonic instant until which this node trusts its peers' time more than its own wall clock. */
  #followsNotBefore = Number.NEGATIVE_INFINITY
  #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null

  constructor(engine: EngineContext, options: { readonly storage: Storage; readonly limitMs: number }) {
    const { storage, limitMs } = options
    this.#engine = engine
    this.#limitMs = limitMs
    this.#isAuthoritative = engine.clock.isAuthoritative === true
    const resolutionMs = storage.capabilities.serverTimeResolutionMs ?? 1
    const hasClock = storage.serverTime !== undefined && !this.#isAuthoritative
    this.#storageClock = hasClock ? new StorageClock(engine, { resolutionMs }) : null
    this.#heads = new HeadsWitness(engine)
    this.#loop = new BackgroundLoop(engine, { name: 'serverTime', round: () => this.#measure() })
  }

  /**
   * Milliseconds by which this node's wall clock is ahead of the storage's clock. 0 if the difference is below the accuracy
   * of the reading, or if the storage has no clock.
   */
  get skewMs(): number {
    return this.#skewMs
  }

  /** Whether a clock has jumped and is not confirmed yet. The caller calls `now` first, which reads the clocks. */
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
      if (this.#storageClock === null && movedMs <= jumpMs) {
        this.#origin = this.#difference = difference
        return wall
      }
      // The wall clock was set, or the machine slept while the monotonic clock stood still. Only a new reading can tell.
      if (movedMs > clockToleranceMs) this.#readAtOnce(movedMs > jumpMs)
    }
    return Math.floor(this.#origin + monotonic)
  }

  #readAtOnce(isJump: boolean): void {
    this.#isToBeRead = isJump
    if (this.#loop.underWay === null) this.#loop.run()
  }

  /** Resolves when the time is confirmed: after the first reading, unless the clocks of storage and node disagree. */
  async start(): Promise<void> {
    if (this.#isAuthoritative) return
    await this.#measure()
    if (!this.#isContradicted) return
    if (this.#loop.isStopped) throw new EngineStopped()
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** Begins no further measurement. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    this.#waiting?.reject(new EngineStopped())
  }

  async #measure(): Promise<void> {
    try {
      await this.#judge(await this.#read())
    } finally {
      // Also after an invalid answer of the storage, because the next one may be valid.
      if (this.isInDoubt) this.#loop.runIn(readInDoubtMs)
      else if (this.#storageClock !== null) this.#loop.runIn(measureEveryMs)
    }
  }

  async #read(): Promise<TimeReading> {
    if (this.#storageClock !== null) {
      return this.#isContradicted ? this.#storageClock.read() : this.#storageClock.readBest()
    }
    const readAt = this.#engine.clock.monotonic()
    const difference = this.#engine.clock.now() - readAt
    return { origin: difference, uncertaintyMs: 0, sentAt: readAt, receivedAt: readAt, difference }
  }

  async #judge(reading: TimeReading): Promise<void> {
    if (Math.abs(this.#contradictionOf(reading)) <= this.#toleranceMs + reading.uncertaintyMs) {
      this.#adopt(reading)
      return
    }
    this.#doubt(reading)
    if (this.#check.holds(reading, this.#confirmMsOf(reading))) {
      if (await this.#mayFollow(reading)) this.#adopt(reading)
      else this.#check.clear()
    } else if (this.#asksHeads && this.#check.readings === 2) {
      // Not at the first reading: calls of this node that were still in progress may have moved watermarks.
      await this.#heads.note()
    }
  }

  /** Milliseconds by which a reading is ahead of the confirmed time, or of the wall clock before the first confirmation. */
  #contradictionOf({ origin, difference }: TimeReading): number {
    return origin - (this.#origin ?? difference)
  }

  get #toleranceMs(): number {
    return this.#origin === null ? Math.max(jumpMs, this.#limitMs) : jumpMs
  }

  #confirmMsOf({ origin, uncertaintyMs, difference }: TimeReading): number {
    if (this.#origin === null || this.#storageClock === null) return confirmMs
    const hasWallMoved = Math.abs(difference - this.#difference) > jumpMs
    const isWallReached = Math.abs(origin - difference) <= Math.max(clockToleranceMs, this.#limitMs) + uncertaintyMs
    return hasWallMoved || isWallReached ? confirmMs : confirmAgainstWallMs
  }

  /** Whether peers have to confirm the time. All nodes share the storage's clock, but a wall clock may be wrong on one node. */
  get #asksHeads(): boolean {
    return this.#storageClock === null
  }

  /** Returns whether this node may follow its clock: not while peers still go by the time before the jump. */
  async #mayFollow({ origin, receivedAt }: TimeReading): Promise<boolean> {
    if (!this.#asksHeads || this.#origin === null) return true
    const othersBy = await this.#heads.timeOfOthers(origin, this.#origin)
    if (othersBy === this.#origin) this.#followsNotBefore = receivedAt + confirmAgainstOthersMs
    return othersBy === origin || receivedAt >= this.#followsNotBefore
  }

  #doubt(reading: TimeReading): void {
    this.#isToBeRead = false
    if (this.#isContradicted) return
    this.#isContradicted = true
    const { events, logger } = this.#engine
    const clock = this.#storageClock === null ? 'node' : 'storage'
    const byMs = Math.round(this.#contradictionOf(reading))
    events.emit('clock.unconfirmed', { clock, byMs })
    logger.warn({ clock, byMs }, 'a clock has jumped: no run starts until the time is confirmed')
  }

  #adopt({ origin, uncertaintyMs, difference }: TimeReading): void {
    const before = this.#origin
    this.#difference = difference
    const skewMs = difference - origin
    const isTold = Math.abs(skewMs) > uncertaintyMs
    this.#skewMs = isTold ? skewMs : 0
    this.#origin = isTold ? origin : difference
    this.#check.clear()
    this.#followsNotBefore = Number.NEGATIVE_INFINITY
    this.#engine.agenda.wallTimeSet()
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
      logger.info({ byMs }, 'the time is confirmed')
    }
    if (wasInDoubt) this.confirmed.send()
    this.#waiting?.resolve()
  }

  #report(): void {
    const isSkewed = Math.abs(this.#skewMs) > this.#limitMs
    if (isSkewed === this.#isSkewed) return
    this.#isSkewed = isSkewed
    const { events, logger } = this.#engine
    const skewMs = Math.round(this.#skewMs)
    if (isSkewed) {
      events.emit('clock.skewed', { skewMs, limitMs: this.#limitMs })
      logger.warn({ skewMs }, 'the clock of this node is wrong: using the clock of the storage')
    } else logger.info({ skewMs }, 'the clock of this node is right again')
  }
}
