import { JobistemerError } from '../../errors.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { TimeReading } from './time-reading.ts'
import { readingsPerMeasurement } from './tuning.ts'

/**
 * Reads the clock of the storage. A reading lies between its request and its answer; the middle is taken, of the quickest
 * of a few (Cristian, 1989, "Probabilistic clock synchronization").
 */
export class StorageClock {
  readonly #engine: Pick<EngineContext, 'clock' | 'storage'>
  readonly #resolutionMs: number

  constructor(engine: Pick<EngineContext, 'clock' | 'storage'>, options: { readonly resolutionMs: number }) {
    this.#engine = engine
    this.#resolutionMs = options.resolutionMs
  }

  /** The most certain of a few readings. @throws JobistemerError `STORAGE_FAILED` after an answer that is no time */
  async readBest(): Promise<TimeReading> {
    let best = await this.read()
    for (let count = 1; count < readingsPerMeasurement; count++) {
      const other = await this.read()
      if (other.uncertaintyMs < best.uncertaintyMs) best = other
    }
    return best
  }

  /** One reading. @throws JobistemerError `STORAGE_FAILED` after an answer that is no time */
  async read(): Promise<TimeReading> {
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
      sentAt,
      receivedAt,
      difference,
    }
  }
}
