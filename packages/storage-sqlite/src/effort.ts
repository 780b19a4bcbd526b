/** How much one call has looked at, in entries of the history, and how much it may. */
export class Effort {
  readonly #limit: number
  #spent = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  spend(amount: number): void {
    this.#spent += amount
  }

  get isSpent(): boolean {
    return this.#spent > this.#limit
  }
}
