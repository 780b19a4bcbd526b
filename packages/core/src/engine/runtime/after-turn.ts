import { afterThisTurn } from '../../system-clock.ts'
import { OwnContext } from './own-context.ts'

/**
 * Does something once the present turn of the event loop is over, however often it is asked within that turn: for all
 * who have asked, so in the context that it was made in.
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

/** Lets timers, signals and sockets have their turn: a storage may answer without ever leaving the present one. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve))
}
