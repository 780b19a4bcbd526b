import { SeededRandom } from '@jobistemer/test-kit'

/** How often a node says that it lives, and after which silence the others take it for dead. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}

/** Draws the timings of the nodes of a world: in most worlds one for all, in the others one for each life. */
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
