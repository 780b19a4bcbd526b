import type { WakeUp } from '@jobistemer/core/storage'

type Listener = (wakeUp: WakeUp) => void

/** Tells connections what others changed. */
export class WakeUps {
  readonly #listeners: Map<Listener, object> = new Map()

  /**
   * Tells every connection but the one that made the changes, once per kind, and not before the running code is
   * through: a listener may call the storage.
   */
  tell(connection: object, kinds: ReadonlySet<WakeUp['kind']>): void {
    for (const [listener, subscriber] of this.#listeners) {
      if (subscriber === connection) continue
      for (const kind of kinds) {
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener({ kind })
        })
      }
    }
  }

  subscribe(connection: object, listener: Listener): () => void {
    // The same function may subscribe twice; each subscription ends by itself.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    this.#listeners.set(subscription, connection)
    return () => {
      this.#listeners.delete(subscription)
    }
  }

  unsubscribeAll(connection: object): void {
    for (const [listener, subscriber] of this.#listeners)
      if (subscriber === connection) this.#listeners.delete(listener)
  }
}
