import type { JobId } from '../../ids.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { headsInLook } from './head-review.ts'

/**
 * Jobs that this node has held and let go, and of whose removal somebody is to hear all the same: their metrics would be
 * shown for ever otherwise. Mostly the watcher sees the removal. What it misses, as when thousands are removed at once, a
 * look at some of the heads now and then finds.
 */
export class LetGoJobs {
  readonly #engine: EngineContext
  readonly #removed: (jobName: string) => void
  readonly #names = new Map<JobId, string>()

  /** @param removed called with the name of each that was removed */
  constructor(engine: EngineContext, removed: (jobName: string) => void) {
    this.#engine = engine
    this.#removed = removed
  }

  add(id: JobId, name: string): void {
    this.#names.set(id, name)
  }

  /** It is held again. */
  delete(id: JobId): void {
    this.#names.delete(id)
  }

  /** It was removed. Says so if it is one of these. */
  gone(id: JobId): void {
    const name = this.#names.get(id)
    if (name === undefined) return
    this.#names.delete(id)
    this.#removed(name)
  }

  /** Looks whether the next ones are still in the storage; called once in each interval. */
  async reviewSome(intervalMs: number): Promise<void> {
    const { maxBatch } = this.#engine
    let most = Math.min(headsInLook(this.#names.size, intervalMs), maxBatch)
    // Where most are gone, many were removed at once, and so are the next ones.
    while (most > 0 && 2 * (await this.#review(most)) > most) most = Math.min(maxBatch, this.#names.size)
  }

  /** Looks at so many; answers how many of them were removed. */
  async #review(most: number): Promise<number> {
    const { storage } = this.#engine
    const jobs: JobId[] = []
    for (const id of this.#names.keys()) {
      if (jobs.length >= most) break
      jobs.push(id)
    }
    const { jobs: records } = await storage.repeated('get', (calls) => calls.get({ jobs }))
    let removed = 0
    for (const [index, id] of jobs.entries()) {
      const record = records[index] ?? null
      if (record === null || record.deletedAt !== null) {
        removed++
        this.gone(id)
      } else this.#moveToEnd(id)
    }
    return removed
  }

  #moveToEnd(id: JobId): void {
    const name = this.#names.get(id)
    if (name === undefined) return
    this.#names.delete(id)
    this.#names.set(id, name)
  }
}
