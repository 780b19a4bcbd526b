import type { Clock } from '../../clock.ts'
import { afterThisTurn } from '../../system-clock.ts'

/** So long the engine's own work may go on before timers, signals and sockets have their turn. */
const longestTurnMs = 10

/**
 * Keeps the event loop free. A storage in this process answers without ever leaving the present turn, so calls that
 * follow one another, of the engine or of a caller, would hold up timers and signals for as long as they go on. Each
 * call asks here first.
 *
 * What the engine has to do goes before what callers ask for, of which one goes on in each turn.
 */
export class Turns {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #own: (() => void)[] = []
  readonly #asked: (() => void)[] = []
  /** When the present turn was first seen; `null` when none has been seen yet. */
  #beganAt: number | null = null

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** `null`: go on at once. Otherwise it resolves in the turn in which it may go on. */
  pass(isAsked: boolean): Promise<void> | null {
    const beganAt = this.#beganAt ?? this.#begin()
    const isLong = this.#clock.monotonic() - beganAt >= longestTurnMs
    if (!isLong && !(isAsked && this.#asked.length > 0)) return null
    return new Promise((resolve) => (isAsked ? this.#asked : this.#own).push(resolve))
  }

  #begin(): number {
    const now = this.#clock.monotonic()
    this.#beganAt = now
    afterThisTurn(this.#next)
    return now
  }

  readonly #next = (): void => {
    this.#beganAt = null
    if (this.#own.length === 0 && this.#asked.length === 0) return
    this.#begin()
    const own = this.#own.splice(0)
    for (const goOn of own) goOn()
    if (own.length === 0) this.#asked.shift()?.()
  }
}
