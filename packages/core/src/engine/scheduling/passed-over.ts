import type { JobRecord } from '../../storage/job-record.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { passOverMs } from './tuning.ts'

interface Entry {
  /** A job with this handler key. */
  readonly job: JobRecord
  /** Monotonic instant until which claims leave out the key; infinite: until this node has the missing handlers. */
  readonly until: number
}

/**
 * Handler keys that claims of this node leave out, because it lacks their handlers. The node logs each key once. As soon as
 * the node can run a job with the key, claims include the key again.
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

  /** Leaves out the handler key of this job: until its handlers exist, or for {@link passOverMs} if no handler is missing. */
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
