import type { Storage, WakeUp } from '@jobistemer/core/storage'

/** Gathers the wake-ups that a storage hears. */
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

  /** Waits for one of a kind, and gives what was heard up to then. */
  async next(kind: WakeUp['kind']): Promise<readonly WakeUp['kind'][]> {
    while (!this.heard.includes(kind)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.heard.splice(0)
  }

  /** Hears no more. */
  stop(): void {
    this.#stop?.()
  }
}
