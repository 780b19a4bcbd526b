import type { JobRecord } from '../../storage/job-record.ts'
import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'
import { EngineStopped } from '../loop/storage-caller.ts'

// Changes are found by the wall time of the node that made them. A look goes back further than the last one, by what
// clocks of nodes ordinarily differ and by how long a write may take; once in a while it goes back far, for the changes
// of a node whose clock is wrong.
const marginMs = 5000
const farMarginMs = 600_000
const looksPerFarLook = 100
const wakeDelayMs = 200

/** Learns what other nodes change: updated, paused, resumed and deleted jobs, and new ones that are data alone. */
export class DefinitionWatcher implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #intervalMs: number
  readonly #onResumed: () => void
  #lookedAt = Number.NEGATIVE_INFINITY
  #woken = false
  #looks = 0
  #looking = false
  #stopped = false

  constructor(engine: EngineContext, options: { registry: JobRegistry; intervalMs: number; onResumed: () => void }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#intervalMs = options.intervalMs
    this.#onResumed = options.onResumed
  }

  stop(): void {
    this.#stopped = true
    this.#engine.agenda.cancelAlarm(this)
  }

  /** `adoptAll`: look at every stored job, as a node that can run jobs which are data does when it starts. */
  async start(options: { readonly adoptAll: boolean }): Promise<void> {
    if (!options.adoptAll) this.#lookedAt = this.#engine.now()
    await this.#look()
    this.#engine.agenda.setAlarm(this, this.#intervalMs)
  }

  /** Another node has changed something. Changes often come in bursts: they are looked at together. */
  wake(): void {
    if (this.#stopped || this.#woken) return
    this.#woken = true
    this.#engine.agenda.setAlarm(this, Math.min(wakeDelayMs, this.#intervalMs))
  }

  ring(): void {
    this.#woken = false
    if (this.#stopped) return
    if (this.#looking) {
      this.wake()
      return
    }
    this.#look()
      .catch((error) => {
        if (!(error instanceof EngineStopped)) this.#engine.fail('watch definitions', error)
      })
      .finally(() => {
        if (!this.#stopped && !this.#woken) this.#engine.agenda.setAlarm(this, this.#intervalMs)
      })
  }

  async #look(): Promise<void> {
    this.#looking = true
    try {
      const startedAt = this.#engine.now()
      const margin = ++this.#looks % looksPerFarLook === 0 ? farMarginMs : marginMs
      const changedSince = Number.isFinite(this.#lookedAt) ? this.#lookedAt - margin : undefined
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
        for (const record of page.items) this.#consider(record)
        cursor = page.cursor
      } while (cursor !== null && !this.#stopped)
      this.#lookedAt = startedAt
    } finally {
      this.#looking = false
    }
  }

  #consider(record: JobRecord): void {
    const job = this.#registry.get(record.id)
    if (job === undefined) {
      if (record.deletedAt === null) this.#registry.adoptStored(record)
      return
    }
    // What was read may be older than what this node did since.
    if (record.version < job.version) return
    if (record.deletedAt !== null) {
      this.#registry.forget(job)
      return
    }
    const resumed = job.paused && record.paused === null
    if (job.version !== record.version) this.#registry.adopt(job.job, record)
    else job.paused = record.paused !== null
    if (resumed) this.#onResumed()
  }
}
