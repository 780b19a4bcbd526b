import { SeededRandom } from '@jobistemer/test-kit'
import type { CutCalls } from './barrier.ts'
import type { Fleet } from './fleet.ts'
import type { World } from './world.ts'

/** Starts a random sequence of node faults: deaths, and freezes and partitions that last about `deadAfter`. */
export function troubleNodes(world: World, fleet: Fleet): void {
  const random = new SeededRandom(`troubles of ${world.seed}`)
  const next = (): void =>
    world.later(random.whole(5000, 60_000), () => {
      if (world.faults === null) return
      trouble(world, fleet, random)
      next()
    })
  next()
}

function trouble(world: World, fleet: Fleet, random: SeededRandom): void {
  const what = random.weighted({ death: 1, freeze: 1, cut: 2 })
  const place = random.next()
  const share = 0.5 + 2 * random.next()
  const calls = random.pick<CutCalls>(['all', 'heartbeats', 'others'])
  const hangs = random.chance(0.3)
  const { usable } = fleet
  const life = usable[Math.floor(place * usable.length)]
  if (life === undefined) return
  const forMs = Math.ceil(share * life.timing.deadAfterMs)
  world.countFault(`trouble: ${what}`)
  if (what === 'death') life.crash('at rest')
  else if (what === 'freeze') life.freeze('at rest', forMs)
  else life.cutOff({ calls, hangs, forMs })
}
