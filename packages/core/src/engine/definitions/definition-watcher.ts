import type { JobRecord } from '../../storage/job-record.ts'
import { eachPage } from '../../storage/pages.ts'
import { clockMarginMs, wakeDelayMs } from '../../tuning.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'
import { farClockMarginMs, looksPerFarLook } from './tuning.ts'

interface WatcherOptions {
  readonly registry: JobRegistry
  readonly workAppeared: () => void
  /** Receives the name of each removed job that this node does not hold. */
  readonly removedUnheld: (jobName: string) => void
  readonly intervalMs: number
}

/** Polls the storage for jobs that other nodes have updated, paused, resumed, deleted or added. */
export class DefinitionWatcher {
  readonly #engine: EngineContext
  readonly #options: WatcherOptions
  readonly #loop: BackgroundLoop
  #lookedAt = Number.NEGATIVE_INFINITY
  #woken = false
  /** Monotonic instant of the next check whether the storage still has the heads of the held jobs. */
  #headsDueAt = 0
  #looks = 0

  constructor(engine: EngineContext, options: WatcherOptions) {
    this.#engine = engine
    this.#options = options
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
    this.#headsDueAt = this.#engine.clock.monotonic() + this.#options.intervalMs
    this.#loop.runIn(this.#options.intervalMs)
  }

  /** Schedules a scan after another node's change. A short delay lets one scan cover a burst of changes. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    this.#loop.runIn(Math.min(wakeDelayMs, this.#options.intervalMs))
  }

  async #lookAndGoOn(): Promise<void> {
    this.#woken = false
    try {
      await this.#look()
      // A storage that has lost its data reports no changed jobs. So the registry also checks whether the storage still has the
      // heads of held jobs.
      if (this.#engine.clock.monotonic() < this.#headsDueAt) return
      this.#headsDueAt = this.#engine.clock.monotonic() + this.#options.intervalMs
      await this.#options.registry.refresher.reviewSome(this.#options.intervalMs)
    } finally {
      if (!this.#woken) this.#loop.runIn(this.#engine.untilNextLook(this.#options.intervalMs))
    }
  }

  async #look(): Promise<void> {
    const { registry } = this.#options
    const startedAt = this.#engine.now()
    // A change may be stored long after its `changedAt`: its sender repeats the call while the storage is away.
    const marginMs = ++this.#looks % looksPerFarLook === 0 ? farClockMarginMs : clockMarginMs
    const changedSince = Math.min(this.#lookedAt, startedAt) - marginMs
    const changed = Number.isFinite(changedSince) ? { changedSince } : {}
    const { maxBatch: limit, storage } = this.#engine
    const read = (cursor: string | null) =>
      storage.repeated('listJobs', (calls) => calls.listJobs({ deleted: true, limit, cursor, ...changed }))
    for await (const { items } of eachPage(read)) {
      for (const record of items) {
        try {
          this.#consider(record)
        } catch (error) {
          // Reports the error of one job and continues with the other jobs.
          this.#engine.fail(`job ${record.name}`, error)
        }
      }
      // A node that evicts jobs reads only the first page of changes. It misses the changed jobs on further pages. When the
      // node later sends the storage a slot or request of such a job, the answer shows the change. The node then reads the
      // job's head.
      if (this.#loop.isStopped || registry.cache.isEvicting) break
    }
    registry.reviveAgain()
    this.#lookedAt = startedAt
  }

  #consider(record: JobRecord): void {
    const { registry, removedUnheld, workAppeared } = this.#options
    const job = registry.get(record.id)
    if (job !== undefined) {
      if (registry.catchUp(job, record)) workAppeared()
    } else if (record.deletedAt !== null) removedUnheld(record.name)
    else {
      // A node that evicts jobs does not adopt a data job here. It reads the job when the job comes due. If this node can run
      // the job, it claims in both cases. The storage may already have pending occurrences of the job.
      const isLookedUp = registry.cache.isEvicting && registry.plans.runsAsData(record)
      if (isLookedUp || registry.adoptStored(record) !== null) workAppeared()
    }
  }
}
