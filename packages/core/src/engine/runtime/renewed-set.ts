import { RenewedMap } from './renewed-map.ts'

/** A set for what comes and goes all the time, see {@link RenewedMap}. */
export class RenewedSet<T> {
  readonly #map = new RenewedMap<T, null>()

  get size(): number {
    return this.#map.size
  }

  has(value: T): boolean {
    return this.#map.has(value)
  }

  add(value: T): void {
    this.#map.set(value, null)
  }

  /** Answers whether it was there. */
  delete(value: T): boolean {
    return this.#map.delete(value)
  }

  [Symbol.iterator](): MapIterator<T> {
    return this.#map.keys()
  }
}
