import { type OccurrenceId, systemClock } from '@jobistemer/core'

/**
 * Limits how long a handler call waits for a later owner of its occurrence. The wait ends when this number of handler
 * calls of other occurrences have begun meanwhile.
 */
const othersMeanwhile = 200
/**
 * Maximum time in ms that a handler call waits for a later owner of its occurrence. If waiting handler calls hold all
 * permits of the nodes, no later owner can begin. Then only this limit ends the waits.
 */
const longestMs = 1000

/** Tracks, for each occurrence, the latest owner that has begun to run the occurrence. */
export class NextOwners {
  readonly #tokens = new Map<OccurrenceId, number>()
  readonly #waiting = new Set<Waiting>()

  /** Records that the owner with this token has begun to run the occurrence. */
  begins(id: OccurrenceId, token: number): void {
    this.#tokens.set(id, Math.max(token, this.#tokens.get(id) ?? 0))
    for (const waiting of this.#waiting) {
      if (waiting.id === id ? token > waiting.token : --waiting.others === 0) waiting.go()
    }
  }

  /** Returns whether an owner with a higher token has begun to run the occurrence. */
  isOvertaken(id: OccurrenceId, token: number): boolean {
    return (this.#tokens.get(id) ?? 0) > token
  }

  /** Resolves when an owner with a higher token has begun to run the occurrence, or after the maximum wait. */
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
