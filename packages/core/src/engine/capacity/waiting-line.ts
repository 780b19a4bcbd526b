/** Whoever waits in a {@link WaitingLine}. */
export interface InLine {
  /** As of what waits in the storage: the least goes first. */
  readonly orderAt: number
}

interface Place<T> {
  readonly one: T
  /** Monotonic. */
  readonly since: number
}

/** The few that wait for a place, in their order; equal ones as they have come. */
export class WaitingLine<T extends InLine> {
  readonly #places: Place<T>[] = []

  get size(): number {
    return this.#places.length
  }

  add(one: T, since: number): void {
    const places = this.#places
    let index = places.length
    // Nearly always it comes last.
    while (index > 0 && (places[index - 1] as Place<T>).one.orderAt > one.orderAt) index--
    places.splice(index, 0, { one, since })
  }

  /** The first, which leaves the line. */
  shift(): T | undefined {
    return this.#places.shift()?.one
  }

  /** One that has gone away. */
  delete(one: T): void {
    const index = this.#places.findIndex((place) => place.one === one)
    if (index >= 0) this.#places.splice(index, 1)
  }

  /** Those that wait, with since when they do, the longest first. */
  byWait(): readonly Place<T>[] {
    return this.#places.toSorted((left, right) => left.since - right.since)
  }
}
