import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import { wakeDelayMs } from '../../tuning.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'
import { clockMarginMs, farClockMarginMs, looksPerFarLook } from './tuning.ts'

/** Learns what other nodes change: updated, paused, resumed and deleted jobs, and new ones that are data alone. */
export class DefinitionWatcher {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #workAppeared: () => void
  readonly #intervalMs: number
  readonly #loop: BackgroundLoop
  #lookedAt = Number.NEGATIVE_INFINITY
  #woken = false
  /** Monotonic instant from which on heads are looked at again. */
  #headsDueAt = 0
  #looks = 0

  constructor(engine: EngineContext, options: { registry: JobRegistry; workAppeared: () => void; intervalMs: number }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#workAppeared = options.workAppeared
    this.#intervalMs = options.intervalMs
    this.#loop = new BackgroundLoop(engine, { name: 'watch definitions', round: () => this.#lookAndGoOn() })
  }

  /** Begins no further look. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** `adoptAll`: look at every stored job, as a node that can run jobs which are data does when it starts. */
  async start(options: { readonly adoptAll: boolean }): Promise<void> {
    if (!options.adoptAll) this.#lookedAt = this.#engine.now()
    await this.#look()
    this.#setHeadsDue()
    this.#loop.runIn(this.#intervalMs)
  }

  /** Another node has changed something. Changes often come in bursts: they are looked at together. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    this.#loop.runIn(Math.min(wakeDelayMs, this.#intervalMs))
  }

  async #lookAndGoOn(): Promise<void> {
    this.#woken = false
    try {
      await this.#look()
      if (this.#engine.clock.monotonic() >= this.#headsDueAt) await this.#reviewHeads()
    } finally {
      if (!this.#woken) this.#loop.runIn(this.#engine.untilNextLook(this.#intervalMs))
    }
  }

  #setHeadsDue(): void {
    this.#headsDueAt = this.#engine.clock.monotonic() + this.#intervalMs
  }

  /** A storage that has lost its data has no changes to show. */
  async #reviewHeads(): Promise<void> {
    this.#setHeadsDue()
    await this.#registry.reviewSome(this.#intervalMs)
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
      for (const record of page.items) this.#considerAlone(record)
      cursor = page.cursor
      // Of more jobs than a node holds, many may have changed: what lies beyond a page is noticed when the job is used.
    } while (cursor !== null && !this.#loop.isStopped && !this.#registry.loose.isPartial)
    this.#registry.reviveAgain()
    this.#lookedAt = startedAt
  }

  /** What is wrong with one job must not hide the others. */
  #considerAlone(record: JobRecord): void {
    try {
      this.#consider(record)
    } catch (error) {
      this.#engine.fail(`job ${record.name}`, error)
    }
  }

  #consider(record: JobRecord): void {
    const job = this.#registry.get(record.id)
    if (job === undefined) {
      // Some of it may wait already.
      if (record.deletedAt !== null) this.#registry.letGo?.gone(record.id)
      else if (this.#canRun(record)) this.#workAppeared()
      return
    }
    // It was lost, or deleted, and has come back: its versions count from another beginning.
    if (record.createdAt !== job.createdAt) {
      this.#registry.reload(job)
      return
    }
    // What was read may be older than what this node did since.
    if (record.version < job.version) return
    if (record.deletedAt !== null) {
      this.#registry.forget(job)
      return
    }
    const until = pausedUntil(record.paused)
    const isResumed = until < job.pausedUntil
    const isChanged = job.version !== record.version
    if (isChanged) this.#registry.adopt(job.job, record)
    else job.pausedUntil = until
    // What waits may be for this node now: it has the handlers that the new version asks for.
    if (isResumed || isChanged) this.#workAppeared()
  }

  /** Takes over what this node can run, unless that is looked up when it comes due. */
  #canRun(record: JobRecord): boolean {
    const isLookedUp = this.#registry.loose.isPartial && this.#registry.plans.runsAsData(record)
    return isLookedUp || this.#registry.adoptStored(record) !== null
  }
}
