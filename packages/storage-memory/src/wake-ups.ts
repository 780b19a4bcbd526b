import type { WakeUp } from '@jobistemer/core/storage'

type Listener = (wakeUp: WakeUp) => void

/** Sends wake-ups about changes to all connections except the connection that made the changes. */
export class WakeUps {
  readonly #listeners: Map<Listener, object> = new Map()

  /**
   * Sends a wake-up of each kind to every connection except `connection`, which made the changes. A listener may call
   * the storage. So each listener runs in a microtask, after the step that made the changes.
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
    // A caller may subscribe with the same function twice. So each subscription gets its own wrapper, and ends
    // separately.
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
