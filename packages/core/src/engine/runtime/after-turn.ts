import { afterThisTurn } from '../../system-clock.ts'
import { OwnContext } from './own-context.ts'

/**
 * Calls a function once after the current turn of the event loop, however often {@link ask} was called. The function runs in
 * the async context in which this object was created.
 */
export class AfterTurn {
  readonly #work: () => void
  readonly #context = new OwnContext()
  #asked = false

  constructor(work: () => void) {
    this.#work = work
  }

  ask(): void {
    if (this.#asked) return
    this.#asked = true
    afterThisTurn(this.#run)
  }

  readonly #run = (): void => {
    this.#asked = false
    this.#context.run(this.#work)
  }
}

/**
 * Resolves in the next turn of the event loop. A storage in this process may answer within the current turn. If the engine then
 * continued without this wait, it would block timers, signals and sockets.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve))
}
