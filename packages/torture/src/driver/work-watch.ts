import { attemptKey } from '../checker/run-view.ts'
import { LineFollower } from '../record/line-file.ts'
import type { WitnessLine } from '../record/witness.ts'

/** Reads the lines that handlers write at their starts and ends, to find the processes with running handlers. */
export class WorkWatch {
  readonly #witness: LineFollower<WitnessLine>
  readonly #open = new Map<string, Set<string>>()

  constructor(witnessFile: string) {
    this.#witness = new LineFollower(witnessFile)
  }

  isAtWork(life: string): boolean {
    for (const line of this.#witness.read()) {
      const attempts = this.#open.get(line.life) ?? new Set()
      this.#open.set(line.life, attempts)
      if (line.event === 'start') attempts.add(attemptKey(line))
      else attempts.delete(attemptKey(line))
    }
    return (this.#open.get(life)?.size ?? 0) > 0
  }
}
