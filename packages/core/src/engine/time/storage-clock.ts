import { JobistemerError } from '../../errors.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { TimeReading } from './time-reading.ts'
import { readingsPerMeasurement } from './tuning.ts'

/**
 * Reads the clock of the storage. The storage reads its clock between request and answer; this class assumes the middle. It
 * uses the quickest of a few readings (Cristian, 1989, "Probabilistic clock synchronization").
 */
export class StorageClock {
  readonly #engine: Pick<EngineContext, 'clock' | 'storage'>
  readonly #resolutionMs: number

  constructor(engine: Pick<EngineContext, 'clock' | 'storage'>, options: { readonly resolutionMs: number }) {
    this.#engine = engine
    this.#resolutionMs = options.resolutionMs
  }

  /** Returns the reading with the smallest uncertainty. @throws JobistemerError `STORAGE_FAILED` if an answer is no number */
  async readBest(): Promise<TimeReading> {
    let best = await this.read()
    for (let count = 1; count < readingsPerMeasurement; count++) {
      const other = await this.read()
      if (other.uncertaintyMs < best.uncertaintyMs) best = other
    }
    return best
  }

  /** Returns one reading. @throws JobistemerError `STORAGE_FAILED` if the answer is no finite number */
  async read(): Promise<TimeReading> {
    const { clock, storage } = this.#engine
    let sentAt = 0
    let difference = 0
    const time = await storage.repeated('serverTime', async (calls) => {
      sentAt = clock.monotonic()
      // Read before the request: if the machine sleeps during the call, the next comparison of the clocks detects it.
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
