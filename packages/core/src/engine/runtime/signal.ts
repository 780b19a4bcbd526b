/** Says that something has happened to whoever listens, without knowing who that is. */
export class Signal {
  readonly #listeners: (() => void)[] = []

  listen(listener: () => void): void {
    this.#listeners.push(listener)
  }

  send(): void {
    for (const listener of this.#listeners) listener()
  }
}
