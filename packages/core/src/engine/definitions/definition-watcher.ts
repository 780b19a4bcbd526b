import type { JobRecord } from '../../storage/job-record.ts'
import { clockMarginMs, wakeDelayMs } from '../../tuning.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'
import { farClockMarginMs, looksPerFarLook } from './tuning.ts'

/** Polls the storage for jobs that other nodes have updated, paused, resumed, deleted or added. */
export class DefinitionWatcher {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #workAppeared: () => void
  /** Receives the name of each removed job that this node does not hold. */
  readonly #removedUnheld: (jobName: string) => void
  readonly #intervalMs: number
  readonly #loop: BackgroundLoop
  #lookedAt = Number.NEGATIVE_INFINITY
  #woken = false
  /** Monotonic instant of the next check whether the storage still has the heads of the held jobs. */
  #headsDueAt = 0
  #looks = 0

  constructor(
    engine: EngineContext,
    options: {
      registry: JobRegistry
      workAppeared: () => void
      removedUnheld: (jobName: string) => void
      intervalMs: number
    },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#workAppeared = options.workAppeared
    this.#removedUnheld = options.removedUnheld
    this.#intervalMs = options.intervalMs
    this.#loop = new BackgroundLoop(engine, { name: 'watch definitions', round: () => this.#lookAndGoOn() })
  }

  /** Stops the scans for changed jobs. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Scans once and then periodically. With `adoptAll`, the first scan covers every stored job. */
  async start(options: { readonly adoptAll: boolean }): Promise<void> {
    if (!options.adoptAll) this.#lookedAt = this.#engine.now()
    await this.#look()
    this.#headsDueAt = this.#engine.clock.monotonic() + this.#intervalMs
    this.#loop.runIn(this.#intervalMs)
  }

  /** Schedules a scan after another node's change. A short delay lets one scan cover a burst of changes. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    this.#loop.runIn(Math.min(wakeDelayMs, this.#intervalMs))
  }

  async #lookAndGoOn(): Promise<void> {
    this.#woken = false
    try {
      await this.#look()
      // A storage that has lost its data reports no changed jobs. So the registry also checks whether the storage still has the
      // heads of held jobs.
      if (this.#engine.clock.monotonic() < this.#headsDueAt) return
      this.#headsDueAt = this.#engine.clock.monotonic() + this.#intervalMs
      await this.#registry.reviewSome(this.#intervalMs)
    } finally {
      if (!this.#woken) this.#loop.runIn(this.#engine.untilNextLook(this.#intervalMs))
    }
  }

  async #look(): Promise<void> {
    const startedAt = this.#engine.now()
    const margin = ++this.#looks % looksPerFarLook === 0 ? farClockMarginMs : clockMarginMs
    const changedSince = Number.isFinite(this.#lookedAt) ? Math.min(this.#lookedAt, startedAt) - margin : undefined
    let cursor: string | null = null
    do {
      const page = await this.#engine.storage.repeated('listJobs', (storage) =>
        storage.listJobs({
          deleted: true,
          limit: this.#engine.maxBatch,
          cursor,
          ...(changedSince !== undefined && { changedSince }),
        }),
      )
      await this.#registry.learnTypesOf(page.items)
      for (const record of page.items) {
        try {
          this.#consider(record)
        } catch (error) {
          // Reports the error of one job and continues with the other jobs.
          this.#engine.fail(`job ${record.name}`, error)
        }
      }
      cursor = page.cursor
      // A node that evicts jobs reads only the first page of changes. It misses the changed jobs on further pages. When the
      // node later sends the storage a slot or request of such a job, the answer shows the change. The node then reads the
      // job's head.
    } while (cursor !== null && !this.#loop.isStopped && !this.#registry.cache.isEvicting)
    this.#registry.reviveAgain()
    this.#lookedAt = startedAt
  }

  #consider(record: JobRecord): void {
    const job = this.#registry.get(record.id)
    if (job === undefined) {
      if (record.deletedAt !== null) this.#removedUnheld(record.name)
      else {
        // A node that evicts jobs does not adopt a data job here. It reads the job when the job comes due. If this node can run
        // the job, it claims in both cases. The storage may already have pending occurrences of the job.
        const isLookedUp = this.#registry.cache.isEvicting && this.#registry.plans.runsAsData(record)
        if (isLookedUp || this.#registry.adoptStored(record) !== null) this.#workAppeared()
      }
      return
    }
    if (this.#registry.catchUp(job, record)) this.#workAppeared()
  }
}
