import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { BackgroundLoop } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'

const measureEveryMs = 60_000
const samples = 3

// Wall and monotonic clocks drift apart by far less between two measurements: the wall clock was set, or the machine
// slept.
const stepMs = 1000

/** A reading of the storage's clock, set against this node's monotonic one. */
interface Reading {
  /** The storage's time at the monotonic instant 0. */
  readonly origin: number
  /** By how much it may be wrong. */
  readonly uncertaintyMs: number
  /** Wall minus monotonic clock of this node, when it was begun. */
  readonly difference: number
}

/**
 * The time that the engine schedules by. Where the storage has a clock, it is that one's: read from time to time, and
 * carried on by the monotonic clock in between, so that neither a wrong wall clock nor one that is set moves anything.
 * Elsewhere, and under a clock that is authoritative, it is the node's wall clock.
 *
 * A reading lies between its request and its answer; the middle is taken, of the quickest of a few (Cristian, 1989,
 * "Probabilistic clock synchronization").
 */
export class StorageTime {
  readonly #engine: EngineContext
  readonly #limitMs: number
  readonly #resolutionMs: number
  readonly #hasClock: boolean
  readonly #loop: BackgroundLoop
  /** The engine's time at the monotonic instant 0; `null` before the first measurement. */
  #origin: number | null = null
  /** Wall minus monotonic clock, at the last measurement. */
  #difference = 0
  #skewMs = 0
  #isReported = false

  constructor(engine: EngineContext, options: { readonly storage: Storage; readonly limitMs: number }) {
    this.#engine = engine
    this.#limitMs = options.limitMs
    this.#hasClock = options.storage.serverTime !== undefined && engine.clock.isAuthoritative !== true
    this.#resolutionMs = options.storage.capabilities.serverTimeResolutionMs ?? 1
    this.#loop = new BackgroundLoop(engine, { name: 'serverTime', round: () => this.#measure() })
  }

  /** How far this node's wall clock is ahead of the storage's clock; 0 when that cannot be told apart, or there is none. */
  get skewMs(): number {
    return this.#skewMs
  }

  now(): number {
    const { clock } = this.#engine
    if (this.#origin === null) return clock.now()
    const monotonic = clock.monotonic()
    // What the wall clock says after a step is not to be trusted, nor whether the monotonic one has missed a sleep.
    if (Math.abs(clock.now() - monotonic - this.#difference) > stepMs) this.#measureUnlessUnderWay()
    return Math.floor(this.#origin + monotonic)
  }

  #measureUnlessUnderWay(): void {
    if (this.#loop.underWay === null) this.#loop.run()
  }

  /** Resolves when the storage's clock, if it has one, has been read. */
  async start(): Promise<void> {
    if (this.#hasClock) await this.#measure()
  }

  /** Begins no further measurement. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #measure(): Promise<void> {
    try {
      let best = await this.#read()
      for (let count = 1; count < samples; count++) {
        const other = await this.#read()
        if (other.uncertaintyMs < best.uncertaintyMs) best = other
      }
      this.#adopt(best)
    } finally {
      // Also after an answer that was none: the next one may be right.
      this.#loop.runIn(measureEveryMs)
    }
  }

  async #read(): Promise<Reading> {
    const { clock, storage } = this.#engine
    let sentAt = 0
    let difference = 0
    const time = await storage.repeated('serverTime', async (calls) => {
      sentAt = clock.monotonic()
      // Before it is sent: a machine that sleeps from here on has made a step that the next look at the clocks sees.
      difference = clock.now() - sentAt
      return await calls.serverTime?.()
    })
    if (time === undefined || !Number.isFinite(time)) {
      throw new JobistemerError('STORAGE_FAILED', {
        message: `The storage's serverTime() answered ${time}.`,
        field: 'serverTime',
        value: time,
        remedy: 'It has to answer epoch milliseconds; an adapter of a storage without a clock leaves it out.',
      })
    }
    const receivedAt = clock.monotonic()
    return {
      origin: time + (this.#resolutionMs - 1) / 2 - (sentAt + receivedAt) / 2,
      uncertaintyMs: (receivedAt - sentAt) / 2 + this.#resolutionMs,
      difference,
    }
  }

  #adopt({ origin, uncertaintyMs, difference }: Reading): void {
    this.#difference = difference
    const skewMs = this.#difference - origin
    const isTold = Math.abs(skewMs) > uncertaintyMs
    this.#skewMs = isTold ? skewMs : 0
    this.#origin = isTold ? origin : this.#difference
    this.#engine.agenda.wallTimeSet()
    this.#report()
  }

  #report(): void {
    const isSkewed = Math.abs(this.#skewMs) > this.#limitMs
    if (isSkewed === this.#isReported) return
    this.#isReported = isSkewed
    const { events, logger } = this.#engine
    const skewMs = Math.round(this.#skewMs)
    if (isSkewed) {
      events.emit('clock.skewed', { skewMs, limitMs: this.#limitMs })
      logger.warn({ skewMs }, 'the clock of this node is wrong: the clock of the storage is followed')
    } else logger.info({ skewMs }, 'the clock of this node is right again')
  }
}
