import { SeededRandom } from '@jobistemer/test-kit'
import type { Fleet } from './fleet.ts'
import type { World } from './world.ts'

const longestOutageMs = 120_000

/**
 * Maximum time between a node's death and a crash of the storage, in ms. This time is mostly too short for peers to
 * declare the node dead.
 */
const longestDeathAheadMs = 5000

/**
 * Makes the storage unavailable to all nodes at random times: calls fail, or hang until the end of the outage. In some
 * simulations the outages repeat. An outage can be a server crash, in which the storage loses all node records. In some
 * simulations a node dies up to 5 s before the crash.
 */
export function takeStorageAway(world: World, fleet: Fleet): void {
  const random = new SeededRandom(`outages of ${world.seed}`)
  const crashes = new SeededRandom(`crashes of the storage of ${world.seed}`)
  const comesAndGoes = crashes.chance(0.4)
  const killsNodes = crashes.chance(0.5)
  const next = (): void => {
    const rareMs = random.whole(2000, 60_000)
    const inMs = comesAndGoes ? crashes.whole(3000, 20_000) : rareMs
    const isCrash = crashes.chance(0.5)
    if (isCrash && killsNodes) {
      world.later(Math.max(0, inMs - crashes.whole(0, longestDeathAheadMs)), () => killNode(world, fleet, crashes))
    }
    world.later(inMs, () => {
      if (world.faults === null) return
      const rareForMs = random.chance(0.5) ? random.whole(1000, 15_000) : random.whole(1000, longestOutageMs)
      const forMs = comesAndGoes ? crashes.whole(1000, 20_000) : rareForMs
      world.leaveStorage({ hangs: random.chance(0.4) })
      world.later(forMs, () => {
        const back = (): void => {
          world.returnStorage()
          next()
        }
        if (isCrash) void world.forgetNodes().then(back)
        else back()
      })
    })
  }
  next()
}

function killNode(world: World, fleet: Fleet, random: SeededRandom): void {
  const { usable } = fleet
  const life = usable[Math.floor(random.next() * usable.length)]
  if (world.faults === null || life === undefined) return
  world.countFault('death before a crash of the storage')
  life.crash('at rest')
}
