import { largeDecisionsAtOnce } from './tuning.ts'

/**
 * Lets few decisions of many runs be made at a time, each until it is stored. So the others, which are quick to store,
 * wait for a few of them at most, however many jobs have many runs to come, and a call carries few of them.
 */
export class ManyRuns<Holder> {
  readonly #holders = new Set<Holder>()
  readonly #waiting: { readonly holder: Holder; readonly goOn: () => void }[] = []
  #isStopped = false

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** `null`: go on at once. Otherwise it resolves when it is the holder's turn, or when all is stopped. */
  take(holder: Holder): Promise<void> | null {
    if (this.#isStopped) return null
    if (this.#holders.size >= largeDecisionsAtOnce) {
      return new Promise((goOn) => this.#waiting.push({ holder, goOn }))
    }
    this.#holders.add(holder)
    return null
  }

  /** The holder's decision is stored, or is not to be; of one that holds nothing, nothing happens. */
  letGo(holder: Holder): void {
    if (!this.#holders.delete(holder)) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#holders.add(next.holder)
    next.goOn()
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#isStopped = true
    for (const { goOn } of this.#waiting.splice(0)) goOn()
  }
}
