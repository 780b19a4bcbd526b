import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'

/** Puts definitions of this node back into force when the nodes are gone that had the ones which replaced them. */
export class Restorer {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #intervalMs: number
  readonly #loop: BackgroundLoop

  constructor(engine: EngineContext, options: { readonly registry: JobRegistry; readonly intervalMs: number }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#intervalMs = options.intervalMs
    this.#loop = new BackgroundLoop(engine, { name: 'put definitions back', round: () => this.#lookAndGoOn() })
    this.#registry.followed.added.listen(() => this.look())
  }

  /** Nodes have come or gone, or it has become known what they have. */
  look(): void {
    if (this.#registry.followed.size > 0) this.#loop.run()
  }

  /** Begins no further look. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #lookAndGoOn(): Promise<void> {
    try {
      // From when on the schedule holds is a matter of this node's time; and who is cut off does not know who lives.
      this.#engine.now()
      if (!this.#engine.isHeldBack)
        await this.#registry.registrations.putBack(await this.#registry.followed.returningNow())
    } finally {
      if (this.#registry.followed.size > 0) this.#loop.runIn(this.#intervalMs)
    }
  }
}
