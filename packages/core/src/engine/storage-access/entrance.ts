import { nextTurn } from '../runtime/after-turn.ts'
import type { CallerContext, Wait } from './caller-context.ts'

/** Calls admitted per turn of the event loop. 20,000 calls in one turn would block the event loop for 500 ms. */
const admittedPerTurn = 500

interface Entering {
  readonly asked: CallerContext
  readonly wait: Wait
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Holds calls until the client has connected. Then admits them in order, up to 500 per turn of the event loop. */
export class Entrance {
  readonly #connect: () => Promise<void>
  #entering = new Set<Entering>()
  #isAdmitting = false

  /**
   * `connect` runs once for all calls that wait. If it rejects, all of them reject. A call that enters while no call waits
   * runs it again, so the engine asks {@link isEmpty} and does not enter after it has connected.
   */
  constructor(connect: () => Promise<void>) {
    this.#connect = connect
  }

  /** Whether no call waits. While calls wait, a new call enters too; otherwise it would overtake them. */
  get isEmpty(): boolean {
    return this.#entering.size === 0
  }

  /** Resolves when the call is admitted. @throws what `connect` throws, and the refusal of the call */
  enter(asked: CallerContext): Promise<void> {
    return new Promise((resolve, reject) => {
      asked.assertWanted()
      const wait = asked.wait((refusal) => {
        this.#entering.delete(entering)
        reject(refusal)
      })
      const entering = { asked, wait, resolve, reject }
      this.#entering.add(entering)
      if (!this.#isAdmitting) void this.#admitAll()
    })
  }

  /** Records a failure of the storage for each waiting call. If the call times out, its error names the failure. */
  failed(error: unknown): void {
    for (const { asked } of this.#entering) asked.failed(error)
  }

  async #admitAll(): Promise<void> {
    this.#isAdmitting = true
    try {
      await this.#connect()
    } catch (error) {
      this.#refuseAll(error)
      return
    }
    let admitted = 0
    for (const entering of this.#entering) {
      if (++admitted % admittedPerTurn === 0) await nextTurn()
      if (!this.#entering.delete(entering)) continue
      entering.wait.end()
      entering.resolve()
    }
    this.#isAdmitting = false
  }

  #refuseAll(error: unknown): void {
    const refused = this.#entering
    this.#entering = new Set()
    this.#isAdmitting = false
    for (const { wait, reject } of refused) {
      wait.end()
      reject(error)
    }
  }
}
