import type { JobRecord } from '../../storage/job-record.ts'
import type { DueJobs, Page } from '../../storage/storage.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { longestWaitMs } from '../execution/tuning.ts'
import type { DueScan, OverdueTakeoverParts } from './overdue-takeover.ts'
import { clockMarginMs, lookMs, upkeepMs } from '../../tuning.ts'

interface HorizonParts extends Pick<OverdueTakeoverParts, 'registry' | 'assignment'> {
  /** Whether this node has no handlers, so it loads no due jobs. */
  readonly isBlind: boolean
}

/**
 * Loads the jobs that come due next, and removes jobs that are not due soon from the node's memory. Works only if the storage
 * has more jobs than this node may hold (decision 13).
 */
export class Horizon {
  readonly #engine: EngineContext
  readonly #parts: HorizonParts
  readonly #loop: BackgroundLoop
  /** Epoch ms at which the last complete search for due jobs began. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #looks = 0
  /** The rest of an incomplete search; `null`: the next round starts a new search. */
  #rest: DueScan | null = null
  #isStarted = false

  constructor(engine: EngineContext, parts: HorizonParts) {
    this.#engine = engine
    this.#parts = parts
    this.#loop = new BackgroundLoop(engine, { name: 'look up due jobs', round: () => this.#lookAndGoOn() })
    this.#parts.registry.cache.overflowed.listen(() => this.lookForAll())
  }

  /** Starts the periodic searches for due jobs. Resolves when the jobs that are due now have been loaded. */
  async start(): Promise<void> {
    this.#isStarted = true
    this.lookForAll()
    await this.#loop.underWay
  }

  /** Stops the searches for due jobs. Resolves when the step in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Starts a search for all due jobs. Called after a clock jump, and when this node gets further shards. */
  lookForAll(): void {
    if (!this.#isStarted || !this.#parts.registry.cache.isEvicting) return
    this.#looks = 0
    this.#rest = null
    this.#loop.run()
  }

  async #lookAndGoOn(): Promise<void> {
    try {
      await this.#look()
    } finally {
      // Searches begin half a second before whole seconds, because most slots are at whole seconds.
      const restMs = lookMs - ((this.#engine.now() + lookMs / 2) % lookMs)
      this.#loop.runIn(this.#rest === null ? restMs : longestWaitMs)
    }
  }

  async #look(): Promise<void> {
    const now = this.#engine.now()
    if (this.#engine.isHeldBack) return
    this.#parts.registry.dropUnneeded(now + 2 * lookMs)
    if (this.#parts.isBlind) return
    const shards = this.#parts.assignment.ownShards
    if (shards?.length === 0) return
    const { due, cursor } = this.#rest ?? { due: this.#dueUpTo(now, shards), cursor: null }
    this.#rest = null
    const end = await this.#lookUp(due, cursor)
    // If this search is incomplete, the next round continues it, even if `lookForAll` was called meanwhile. The search for all
    // due jobs then follows after this search.
    if (end === null) this.#lookedAt = due.upTo - 2 * lookMs
    else this.#rest ??= { due, cursor: end }
  }

  #dueUpTo(now: number, shards: readonly number[] | null): DueJobs {
    const isFull = this.#looks++ % (upkeepMs / lookMs) === 0 || !Number.isFinite(this.#lookedAt)
    // Leave out jobs whose next instant lies before `after`, because earlier searches have loaded these jobs. If another node
    // moves a next instant back, the next search for all due jobs loads the job. After the clock was set back, `#lookedAt` lies
    // in the future, so use `now` instead.
    const since = isFull ? {} : { after: Math.min(this.#lookedAt, now) - 2 * clockMarginMs }
    // A search covers the next two intervals between searches. If one search fails, the next one still loads each job before
    // its slot is due.
    return { upTo: now + 2 * lookMs, ...since, ...(shards !== null && { shards }) }
  }

  /** Searches for due jobs. Returns the cursor at which the search continues; `null`: the search is complete. */
  async #lookUp(due: DueJobs, from: string | null): Promise<string | null> {
    const { maxBatch: limit, storage } = this.#engine
    let cursor = from
    do {
      if (!this.#parts.registry.cache.hasRoom) return cursor
      const page: Page<JobRecord> = await storage.repeated('listJobs', (calls) =>
        calls.listJobs({ due, limit, cursor }),
      )
      for (const record of page.items) this.#takeOn(record)
      cursor = page.cursor
    } while (cursor !== null && !this.#loop.isStopped)
    return cursor
  }

  /**
   * Loads or updates a job for which this node has rank 0. Ignores other jobs, because overdue takeover finds their overdue
   * slots. Reports an error of this job, so that the search continues with the next job.
   */
  #takeOn(record: JobRecord): void {
    try {
      const job = this.#parts.registry.get(record.id)
      if (this.#parts.assignment.rankOf(job ?? { job: record }) !== 0) return
      if (job === undefined) this.#parts.registry.adoptStored(record)
      else this.#parts.registry.catchUp(job, record)
    } catch (error) {
      this.#engine.fail(`job ${record.name}`, error)
    }
  }
}
