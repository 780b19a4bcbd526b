import { type OccurrenceId, systemClock } from '@jobistemer/core'

/** Maximum number of tries that begin during the wait for a later owner. */
const othersMeanwhile = 200
/** Maximum wait, in ms. All permits of the nodes may belong to tries that wait. */
const longestMs = 250

/** Tracks which owner of an occurrence began to run it last. */
export class NextOwners {
  readonly #tokens = new Map<OccurrenceId, number>()
  readonly #waiting = new Set<Waiting>()

  /** Records that the owner with this token has begun a try. */
  begins(id: OccurrenceId, token: number): void {
    this.#tokens.set(id, Math.max(token, this.#tokens.get(id) ?? 0))
    for (const waiting of this.#waiting) {
      if (waiting.id === id ? token > waiting.token : --waiting.others === 0) waiting.go()
    }
  }

  /** Returns whether a later owner than the one with this token has begun. */
  isOvertaken(id: OccurrenceId, token: number): boolean {
    return (this.#tokens.get(id) ?? 0) > token
  }

  /** Resolves when a later owner has begun, or after the maximum wait. */
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
