import { RenewedMap } from './renewed-map.ts'

/** A set for short-lived values, see {@link RenewedMap}. */
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

  /** Returns whether the set had the value. */
  delete(value: T): boolean {
    return this.#map.delete(value)
  }

  [Symbol.iterator](): MapIterator<T> {
    return this.#map.keys()
  }
}
