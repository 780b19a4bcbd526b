import type { JobId } from '../../ids.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../storage-access/pages.ts'
import { jumpMs } from './tuning.ts'

/**
 * What the heads of the jobs say of the time that other nodes live by: they decide slots as these become due. A node
 * whose clock is in doubt decides nothing itself, so whatever moves meanwhile is moved by others.
 */
export class HeadsWitness {
  readonly #engine: Pick<EngineContext, 'clock' | 'storage' | 'maxBatch'>
  #watermarks: ReadonlyMap<JobId, number> = new Map()
  #notedAt = 0

  constructor(engine: Pick<EngineContext, 'clock' | 'storage' | 'maxBatch'>) {
    this.#engine = engine
  }

  /** Remembers how far the jobs are. */
  async note(): Promise<void> {
    this.#watermarks = await this.#read()
    this.#notedAt = this.#engine.clock.monotonic()
  }

  /** By which of two times others have decided slots since; `null` when nobody has decided any. */
  async timeOfOthers(one: number, other: number): Promise<number | null> {
    const moved: number[] = []
    for (const [id, watermark] of await this.#read()) {
      const before = this.#watermarks.get(id)
      if (before !== undefined && before !== watermark) moved.push(watermark)
    }
    const isTimeOf = (origin: number) => moved.some((slot) => this.#isDueBy(origin, slot))
    return isTimeOf(one) ? one : isTimeOf(other) ? other : null
  }

  #isDueBy(origin: number, slot: number): boolean {
    return slot >= origin + this.#notedAt - jumpMs && slot <= origin + this.#engine.clock.monotonic() + jumpMs
  }

  /** One page: so many jobs are witnesses enough. */
  async #read(): Promise<ReadonlyMap<JobId, number>> {
    const { storage, maxBatch } = this.#engine
    const heads = await firstItems((cursor) =>
      storage.repeated('listJobs', (calls) => calls.listJobs({ limit: maxBatch, cursor })),
    )
    return new Map(heads.map(({ id, watermark }) => [id, watermark]))
  }
}
