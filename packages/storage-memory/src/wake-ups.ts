import type { WakeUp } from '@jobistemer/core/storage'

type Listener = (wakeUp: WakeUp) => void

/** Sends wake-ups to connections about the changes of other connections. */
export class WakeUps {
  readonly #listeners: Map<Listener, object> = new Map()

  /**
   * Wakes every connection except `connection`, which made the changes, once per kind. Listeners run after the running code,
   * because a listener may call the storage.
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
