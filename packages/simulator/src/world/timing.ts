import { SeededRandom } from '@jobistemer/test-kit'

/** The heartbeat interval of a node, and the time without a heartbeat after which peers declare the node dead. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}

/**
 * Draws the timings of the nodes. In 70 % of simulations all nodes share one timing. In the other simulations each
 * incarnation has its own timing.
 */
export function timingsOf(seed: number): (life: string) => Timing {
  const random = new SeededRandom(`timing of ${seed}`)
  const common = drawTiming(random)
  if (random.chance(0.7)) return () => common
  return (life) => drawTiming(new SeededRandom(`timing of ${life} in ${seed}`))
}

function drawTiming(random: SeededRandom): Timing {
  const heartbeatMs = random.pick([200, 500, 1000, 2000, 5000, 10_000])
  return { heartbeatMs, deadAfterMs: random.whole(4, 12) * heartbeatMs }
}
