import { longestTurnMs } from './tuning.ts'
import type { Clock } from '../../clock.ts'
import { afterThisTurn } from '../../system-clock.ts'

/**
 * Keeps the event loop responsive during long sequences of storage calls and schedule steps. The budget is the time for which
 * the engine may work in one turn of the event loop. Each storage call first awaits {@link pass}. A counting task is a
 * computation that steps through the slots of a schedule. It awaits {@link stepped} after each step.
 *
 * When the engine has used up its budget, calls and counting tasks wait. The next turn continues them in this order:
 * - All waiting calls of the engine continue.
 * - If no call of the engine waits, one call of a user continues.
 * - One counting task continues, until it has used up the budget of its turn.
 */
export class YieldBudget {
  readonly #clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>
  /** Storage calls of the engine that wait for a later turn of the event loop. */
  readonly #own: (() => void)[] = []
  /** Users' storage calls that wait for a later turn of the event loop. */
  readonly #asked: (() => void)[] = []
  /** Callbacks that continue the counting of slots in a later turn of the event loop. */
  readonly #counting: (() => void)[] = []
  /**
   * Monotonic instant at which the engine began to work in the current turn of the event loop; `null`: the engine has not
   * worked in this turn.
   */
  #beganAt: number | null = null
  #steps = 0

  constructor(clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>) {
    this.#clock = clock
  }

  /**
   * Returns `null` if a storage call may be sent now. Otherwise returns a promise that resolves in the turn of the event loop
   * in which the call may be sent. `isAsked`: a user waits for the call.
   */
  pass(isAsked: boolean): Promise<void> | null {
    // A virtual clock stands still while the engine works, so the work uses no budget.
    if (this.#clock.isAuthoritative === true) return null
    const beganAt = this.begin()
    const isLong = this.#clock.monotonic() - beganAt >= longestTurnMs
    if (!isLong && !(isAsked && this.#asked.length > 0)) return null
    return new Promise((resolve) => (isAsked ? this.#asked : this.#own).push(resolve))
  }

  /** Begins the budget of this turn, unless it has begun. Returns the monotonic instant at which it began. */
  begin(): number {
    if (this.#beganAt === null) {
      this.#beganAt = this.#clock.monotonic()
      this.#steps = 0
      afterThisTurn(this.#next)
    }
    return this.#beganAt
  }

  /**
   * Called by a counting task after each step through the slots of a schedule. Returns `null` if the task may make its next
   * step at once. Otherwise returns a promise that the task must await before its next step. The promise resolves in a later
   * turn of the event loop.
   */
  stepped(): Promise<void> | null {
    const beganAt = this.begin()
    this.#steps++
    // The number of steps is also limited: under a virtual clock, which stands still while the engine works, the time limit
    // would never end the turn.
    if (this.#clock.monotonic() - beganAt < longestTurnMs && this.#steps < 50_000) return null
    const turn = new Promise<void>((resolve) => this.#counting.push(resolve))
    this.#clock.track?.(turn)
    return turn
  }

  readonly #next = (): void => {
    this.#beganAt = null
    if (this.#own.length + this.#asked.length + this.#counting.length === 0) return
    this.begin()
    const own = this.#own.splice(0)
    for (const goOn of own) goOn()
    if (own.length === 0) this.#asked.shift()?.()
    this.#counting.shift()?.()
  }
}
