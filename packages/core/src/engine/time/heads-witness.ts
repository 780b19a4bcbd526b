import type { JobId } from '../../ids.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../storage-access/retrying-storage.ts'
import { jumpMs } from './tuning.ts'

/**
 * Derives the time of other nodes from the watermarks of jobs, because nodes decide slots when they become due. A node
 * whose time is in doubt decides no slots, so other nodes have moved every watermark that changes meanwhile.
 */
export class HeadsWitness {
  readonly #engine: Pick<EngineContext, 'clock' | 'storage' | 'maxBatch'>
  #watermarks: ReadonlyMap<JobId, number> = new Map()
  #notedAt = 0

  constructor(engine: Pick<EngineContext, 'clock' | 'storage' | 'maxBatch'>) {
    this.#engine = engine
  }

  /** Stores the current watermarks. */
  async note(): Promise<void> {
    this.#watermarks = await this.#read()
    this.#notedAt = this.#engine.clock.monotonic()
  }

  /** Returns by which of two times peers have decided slots since {@link note}; `null`: by neither, or no slot was decided. */
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

  /** Reads one page of heads. One page has enough jobs for a comparison. */
  async #read(): Promise<ReadonlyMap<JobId, number>> {
    const { storage, maxBatch } = this.#engine
    const heads = await firstItems((cursor) =>
      storage.repeated('listJobs', (calls) => calls.listJobs({ limit: maxBatch, cursor })),
    )
    return new Map(heads.map(({ id, watermark }) => [id, watermark]))
  }
}
