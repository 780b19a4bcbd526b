import type { JobRecord } from '../../storage/job-record.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { BackgroundLoop } from '../loop/background-loop.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import type { Precedence } from './precedence.ts'

/** So many nodes look as often as slots may be overdue; the others are there in case these die together. */
const watchers = 2

/** How much less often the others look. */
const patience = 10

/** Every so many looks, all that is overdue is looked for, and not what has become so of late. */
const looksPerFullLook = 60

/** A look goes back so much further than the one before: clocks of nodes differ, and so does what they have stored. */
const overlapMs = 10_000

/** A slot that was left to the nodes that go first, and when it is looked whether they have launched it. */
interface Passed {
  readonly job: RegisteredJob
  readonly slot: number
  readonly lookAt: number
}

/**
 * Launches what the node that goes first has not launched: it is slow, held, or dead, and nobody knows yet. What is
 * overdue is asked for all jobs together, where the storage finds jobs by their next instant; elsewhere the heads of slots
 * that were passed are read.
 */
export class Standby {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #precedence: Precedence
  readonly #standbyMs: number
  readonly #findsDueJobs: boolean
  readonly #loop: BackgroundLoop
  #passed: Passed[] = []
  #lookedUpTo = Number.NEGATIVE_INFINITY
  #looks = 0

  constructor(
    engine: EngineContext,
    options: { registry: JobRegistry; precedence: Precedence; standbyMs: number; findsDueJobs: boolean },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#precedence = options.precedence
    this.#standbyMs = options.standbyMs
    this.#findsDueJobs = options.findsDueJobs
    this.#loop = new BackgroundLoop(engine, { name: 'standby', round: () => this.#lookAndGoOn() })
  }

  /** The first look follows soon. */
  start(): void {
    this.#goOn()
  }

  /** Begins no further look. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Others have come or gone. */
  membersChanged(): void {
    if (this.#loop.underWay === null) this.#goOn()
  }

  /** A slot is left to nodes that go before this one, of which there are `rank`. */
  passed(job: RegisteredJob, slot: number, rank: number): void {
    if (this.#findsDueJobs) return
    this.#passed.push({ job, slot, lookAt: slot + this.#standbyMs * (rank < watchers ? 1 : patience) })
  }

  async #lookAndGoOn(): Promise<void> {
    try {
      this.#engine.now()
      if (this.#engine.isHeldBack) return
      if (this.#findsDueJobs) await this.#findOverdue()
      else await this.#lookAtPassed()
    } finally {
      this.#goOn()
    }
  }

  #goOn(): void {
    // Whoever is alone goes first everywhere.
    if (this.#precedence.isAlone && this.#passed.length === 0) return
    const isWatcher = !this.#findsDueJobs || this.#precedence.commonRank < watchers
    this.#loop.runIn(this.#standbyMs * (isWatcher ? 1 : patience))
  }

  async #findOverdue(): Promise<void> {
    const upTo = this.#engine.now() - this.#standbyMs
    const isFull = this.#looks++ % looksPerFullLook === 0
    const after = isFull ? undefined : this.#lookedUpTo - overlapMs
    let cursor: string | null = null
    do {
      const page = await this.#engine.storage.repeated('listJobs', (calls) =>
        calls.listJobs({
          due: { upTo, ...(after !== undefined && { after }) },
          limit: this.#engine.maxBatch,
          cursor,
        }),
      )
      await this.#registry.learnTypesOf(page.items)
      for (const record of page.items) this.#takeOn(record)
      cursor = page.cursor
    } while (cursor !== null && !this.#loop.isStopped)
    this.#lookedUpTo = upTo
  }

  async #lookAtPassed(): Promise<void> {
    const now = this.#engine.now()
    const due = this.#passed.filter(({ lookAt }) => lookAt <= now)
    this.#passed = this.#passed.filter(({ lookAt }) => lookAt > now)
    const open = due.filter(({ job }) => this.#registry.get(job.job.id) === job)
    const { maxBatch, storage } = this.#engine
    for (let start = 0; start < open.length; start += maxBatch) {
      const group = open.slice(start, start + maxBatch)
      const ids = group.map(({ job }) => job.job.id)
      const { jobs } = await storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      for (const [index, record] of jobs.entries()) {
        const slot = group[index]?.slot as number
        if (record !== null && record.nextAt !== null && record.nextAt <= slot) this.#takeOn(record)
      }
    }
  }

  #takeOn(record: JobRecord): void {
    if (record.deletedAt !== null) return
    const job = this.#registry.get(record.id)
    if (job === undefined) {
      const { loose } = this.#registry
      if (loose.isPartial && loose.hasRoom) this.#registry.adoptStored(record)
      return
    }
    if (record.version === job.version && record.createdAt === job.createdAt) {
      this.#registry.moveOn(job, record.watermark, record.nextAt)
    } else this.#registry.reload(job)
  }
}
