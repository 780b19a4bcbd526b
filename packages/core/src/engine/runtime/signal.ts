/** Notifies its listeners of an event. The sender of a signal does not know the listeners. */
export class Signal {
  readonly #listeners: (() => void)[] = []

  listen(listener: () => void): void {
    this.#listeners.push(listener)
  }

  send(): void {
    for (const listener of this.#listeners) listener()
  }
}
