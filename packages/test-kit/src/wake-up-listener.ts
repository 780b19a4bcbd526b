import type { Storage, WakeUp } from '@jobistemer/core/storage'

/** Collects the wake-ups of a storage. */
export class WakeUpListener {
  readonly heard: WakeUp['kind'][] = []
  readonly #waiting: (() => void)[] = []
  readonly #stop: (() => void) | undefined

  constructor(storage: Pick<Storage, 'subscribe'>) {
    this.#stop = storage.subscribe?.(({ kind }) => {
      this.heard.push(kind)
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  /** Waits for a wake-up of this kind. Returns the kinds of all wake-ups since the previous call. */
  async next(kind: WakeUp['kind']): Promise<readonly WakeUp['kind'][]> {
    while (!this.heard.includes(kind)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.heard.splice(0)
  }

  /** Unsubscribes. */
  stop(): void {
    this.#stop?.()
  }
}
