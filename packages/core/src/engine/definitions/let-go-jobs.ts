import type { JobId } from '../../ids.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { headsInLook } from './head-review.ts'

/**
 * Jobs that this node has evicted and whose removal it still reports, because the metrics of a removed job must end. The
 * watcher notices most removals. A periodic check of some heads finds further ones, for example after a bulk removal.
 */
export class LetGoJobs {
  readonly #engine: EngineContext
  readonly #removed: (jobName: string) => void
  readonly #names = new Map<JobId, string>()

  /** @param removed called with the name of each removed job */
  constructor(engine: EngineContext, removed: (jobName: string) => void) {
    this.#engine = engine
    this.#removed = removed
  }

  add(id: JobId, name: string): void {
    this.#names.set(id, name)
  }

  /** The node holds the job again. */
  delete(id: JobId): void {
    this.#names.delete(id)
  }

  /** Reports that a job was removed from the storage, if it is an evicted job. */
  gone(id: JobId): void {
    const name = this.#names.get(id)
    if (name === undefined) return
    this.#names.delete(id)
    this.#removed(name)
  }

  /** Checks whether the storage still has the next few jobs. The caller calls it once per interval. */
  async reviewSome(intervalMs: number): Promise<void> {
    const { maxBatch } = this.#engine
    let most = Math.min(headsInLook(this.#names.size, intervalMs), maxBatch)
    // If more than half were removed, this was a bulk removal, and further jobs are probably removed too.
    while (most > 0 && 2 * (await this.#review(most)) > most) most = Math.min(maxBatch, this.#names.size)
  }

  /** Checks up to `most` jobs. Returns how many of them were removed. */
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
