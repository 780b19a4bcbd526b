import type { JobRecord } from '../../storage/job-record.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { passOverMs } from './tuning.ts'

interface Entry {
  /** A job that had this key. */
  readonly job: JobRecord
  /** Monotonic instant up to which it is passed over. */
  readonly until: number
}

/**
 * What this node leaves to others when it claims: handler keys whose handlers it lacks. Each is said once. A key comes
 * back as soon as this node can run the job that had it.
 */
export class PassedOver {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #entries = new Map<string, Entry>()

  constructor(engine: EngineContext, registry: JobRegistry) {
    this.#engine = engine
    this.#registry = registry
  }

  keys(): readonly string[] {
    const now = this.#engine.clock.monotonic()
    for (const [key, { job, until }] of this.#entries) {
      const isRunnable = until === Number.POSITIVE_INFINITY && this.#registry.missingFor(job).length === 0
      if (isRunnable || until <= now) this.#entries.delete(key)
    }
    return [...this.#entries.keys()]
  }

  /** Leaves the jobs of this one's handler key to others, if handlers are what this node lacks. */
  add(job: JobRecord): void {
    const missing = this.#registry.missingFor(job)
    const { clock } = this.#engine
    if (missing.length === 0) {
      this.#entries.set(job.handlerKey, { job, until: clock.monotonic() + passOverMs })
      return
    }
    const isNew = !this.#entries.has(job.handlerKey)
    this.#entries.set(job.handlerKey, { job, until: Number.POSITIVE_INFINITY })
    if (isNew) this.#registry.plans.sayMissing(job, missing)
  }
}
