/** Gathers what is added until the microtask queue is empty, and sends it in one call. */
export class Gathered<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>
  #items: Item[] = []
  #answers: Promise<readonly Answer[]> | null = null

  constructor(send: (items: readonly Item[]) => Promise<readonly Answer[]>) {
    this.#send = send
  }

  async add(item: Item): Promise<Answer> {
    const index = this.#items.push(item) - 1
    this.#answers ??= new Promise((resolve, reject) => {
      process.nextTick(() => {
        const items = this.#items
        this.#items = []
        this.#answers = null
        this.#send(items).then(resolve, reject)
      })
    })
    return (await this.#answers)[index] as Answer
  }
}
