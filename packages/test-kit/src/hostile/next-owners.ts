import { type OccurrenceId, systemClock } from '@jobistemer/core'

/** So many other tries begin meanwhile, at most. */
const othersMeanwhile = 200
/** Where none begins: all nodes may have their hands full of tries that wait. */
const longestMs = 250

/** Which owner of an occurrence has begun to run it last. */
export class NextOwners {
  readonly #tokens = new Map<OccurrenceId, number>()
  readonly #waiting = new Set<Waiting>()

  /** A try has begun, of the owner with this token. */
  begins(id: OccurrenceId, token: number): void {
    this.#tokens.set(id, Math.max(token, this.#tokens.get(id) ?? 0))
    for (const waiting of this.#waiting) {
      if (waiting.id === id ? token > waiting.token : --waiting.others === 0) waiting.go()
    }
  }

  /** Whether a later owner than the one with this token has begun. */
  isOvertaken(id: OccurrenceId, token: number): boolean {
    return (this.#tokens.get(id) ?? 0) > token
  }

  /** Resolves when a later owner has begun, or is not soon to begin. */
  async after(id: OccurrenceId, token: number): Promise<void> {
    if (this.isOvertaken(id, token)) return
    await new Promise<void>((resolve) => {
      const go = () => {
        this.#waiting.delete(waiting)
        timer.cancel()
        resolve()
      }
      const waiting = { id, token, others: othersMeanwhile, go }
      const timer = systemClock.setTimer(longestMs, go)
      this.#waiting.add(waiting)
    })
  }
}

interface Waiting {
  readonly id: OccurrenceId
  readonly token: number
  others: number
  readonly go: () => void
}
