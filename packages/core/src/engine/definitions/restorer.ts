import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'

/** Puts definitions of this node back into force after all nodes with the replacing definitions have stopped or died. */
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

  /** Starts a check after a change of the living nodes or of their known definitions. */
  look(): void {
    if (this.#registry.followed.size > 0) this.#loop.run()
  }

  /** Starts no further check. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #lookAndGoOn(): Promise<void> {
    try {
      // The schedule takes effect at this node's time, so the time must be confirmed. A partitioned node does not know which
      // nodes live.
      this.#engine.now()
      if (!this.#engine.isHeldBack)
        await this.#registry.registrations.putBack(await this.#registry.followed.returningNow())
    } finally {
      if (this.#registry.followed.size > 0) this.#loop.runIn(this.#intervalMs)
    }
  }
}
