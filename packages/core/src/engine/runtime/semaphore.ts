/** A counting semaphore. Waiting holders get their permits in the order of their calls, and cannot stop waiting. */
export class Semaphore<Holder> {
  readonly #permits: number
  readonly #holders = new Set<Holder>()
  readonly #waiting: { readonly holder: Holder; readonly goOn: () => void }[] = []
  #isStopped = false

  constructor(permits: number) {
    this.#permits = permits
  }

  /** Number of waiting holders. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * `null`: the holder has a permit, or the semaphore has stopped. Otherwise the promise resolves when the holder has a
   * permit, or when the semaphore stops.
   */
  acquire(holder: Holder): Promise<void> | null {
    if (this.#isStopped) return null
    if (this.#holders.size >= this.#permits) {
      return new Promise((goOn) => this.#waiting.push({ holder, goOn }))
    }
    this.#holders.add(holder)
    return null
  }

  /** Does nothing if the holder has no permit. */
  release(holder: Holder): void {
    if (!this.#holders.delete(holder)) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#holders.add(next.holder)
    next.goOn()
  }

  /** From now on, no call of {@link acquire} waits, and permits are no longer counted. */
  stop(): void {
    this.#isStopped = true
    for (const { goOn } of this.#waiting.splice(0)) goOn()
  }
}
