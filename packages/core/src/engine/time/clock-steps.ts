import type { EngineContext } from '../storage-access/engine-context.ts'
import { clockToleranceMs } from './tuning.ts'

/** What this node saw of its wall clock being set forward, while it ran. */
export class ClockSteps {
  readonly #steps: { readonly at: number; readonly byMs: number }[] = []
  #wall = Number.NaN
  #monotonic = 0

  /** Compares the clocks with the last look. */
  look(engine: Pick<EngineContext, 'clock' | 'now' | 'logger'>): void {
    const wall = engine.now()
    const monotonic = engine.clock.monotonic()
    const expected = this.#wall + (monotonic - this.#monotonic)
    const byMs = wall - expected
    if (Math.abs(byMs) > clockToleranceMs) engine.logger.warn({ byMs }, 'the wall clock was set')
    // Only forward ones make what runs look older than it is.
    if (byMs > clockToleranceMs) this.#steps.push({ at: expected, byMs })
    this.#wall = wall
    this.#monotonic = monotonic
  }

  /** By how much, in milliseconds, something that began at this wall time looks older than it is. */
  forwardSince(startedAt: number): number {
    let sum = 0
    for (const { at, byMs } of this.#steps) if (startedAt <= at) sum += byMs
    return sum
  }
}
