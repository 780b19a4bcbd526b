import type { EngineContext } from '../storage-access/engine-context.ts'
import { clockToleranceMs } from './tuning.ts'

/** The forward steps of this node's wall clock that the node has observed. */
export class ClockSteps {
  readonly #steps: { readonly at: number; readonly byMs: number }[] = []
  #wall = Number.NaN
  #monotonic = 0

  /** Compares wall clock and monotonic clock with their last readings. */
  look(engine: Pick<EngineContext, 'clock' | 'now' | 'logger'>): void {
    const wall = engine.now()
    const monotonic = engine.clock.monotonic()
    const expected = this.#wall + (monotonic - this.#monotonic)
    const byMs = wall - expected
    if (Math.abs(byMs) > clockToleranceMs) engine.logger.warn({ byMs }, 'the wall clock was set')
    // Only a forward step makes a running occurrence look older than it is.
    if (byMs > clockToleranceMs) this.#steps.push({ at: expected, byMs })
    this.#wall = wall
    this.#monotonic = monotonic
  }

  /** Returns by how many ms an occurrence that began at this wall time looks older than it is. */
  forwardSince(startedAt: number): number {
    let sum = 0
    for (const { at, byMs } of this.#steps) if (startedAt <= at) sum += byMs
    return sum
  }
}
