/** A cache with weak references: equal keys share one object, and the garbage collector may remove unused objects. */
export class WeakCache<T extends object> {
  readonly #entries = new Map<string, WeakRef<T>>()
  #sweepAt = 1000

  /** Returns the object of a key. Creates it if it does not exist. */
  get(key: string, make: () => T): T {
    const known = this.#entries.get(key)?.deref()
    if (known !== undefined) return known
    const made = make()
    if (this.#entries.size >= this.#sweepAt) this.#sweep()
    this.#entries.set(key, new WeakRef(made))
    return made
  }

  #sweep(): void {
    for (const [key, reference] of this.#entries) if (reference.deref() === undefined) this.#entries.delete(key)
    this.#sweepAt = Math.max(1000, this.#entries.size * 2)
  }
}
