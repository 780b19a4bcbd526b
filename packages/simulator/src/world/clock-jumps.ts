import { SeededRandom } from '@jobistemer/test-kit'
import type { Fleet } from './fleet.ts'
import { jumpsMs, longestWrongMs, type World } from './world.ts'

/**
 * Maximum lasting error of a clock, in ms. If a clock is ahead by this time, a node may decide about slots this far in the
 * future.
 */
const longestLastingMs = 300_000

/** Makes the clocks of nodes and of the storage jump: for a single reading, for some seconds, or permanently. */
export function makeClocksJump(world: World, fleet: Fleet): void {
  const random = new SeededRandom(`clock jumps of ${world.seed}`)
  const next = (afterMs: number): void =>
    world.later(afterMs + random.whole(2000, 40_000), () => {
      if (world.faults !== null) next(jump(world, fleet, random))
    })
  next(0)
}

/**
 * Makes one clock jump. Returns the time in ms until all temporary errors of this jump have ended. The caller waits at least
 * 2 s longer before the next jump. Otherwise a node could regard both jumps as one.
 */
function jump(world: World, fleet: Fleet, random: SeededRandom): number {
  const how = random.weighted({ reading: 3, while: 3, good: 1, storage: 1 })
  const byMs = random.pick([-1, 1]) * random.pick(jumpsMs)
  const lastingMs = random.whole(-longestLastingMs, longestLastingMs)
  const forMs = random.whole(1, longestWrongMs)
  const place = random.next()
  if (how === 'storage') {
    if (!world.hasClock) return 0
    world.countFault('storage clock jump')
    world.setStorageClock(lastingMs)
    return 0
  }
  // If the storage has no clock, a starting node cannot detect that its own clock is wrong. So only the clocks of running nodes
  // jump.
  const { usable } = fleet
  const life = usable[Math.floor(place * usable.length)]
  if (life === undefined) return 0
  world.countFault('clock jump')
  if (how === 'reading') life.misread(byMs)
  else if (how === 'while') life.jump(byMs, forMs)
  else {
    world.setAheadMs = Math.max(world.setAheadMs, lastingMs)
    life.step(lastingMs)
  }
  return forMs
}
