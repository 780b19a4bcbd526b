import { type OccurrenceId, systemClock } from '@jobistemer/core'

/**
 * Limits how long a try waits for a later owner. The wait ends when this number of tries of other occurrences have begun
 * since its start.
 */
const othersMeanwhile = 200
/**
 * Maximum time in ms that a try waits for a later owner. If waiting tries hold all permits of the nodes, no later owner
 * can begin until this time ends.
 */
const longestMs = 250

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
