import { SeededRandom } from '@jobistemer/test-kit'
import type { World } from './world.ts'

const longestOutageMs = 120_000

/** Now and then the storage is away, for everybody: its calls fail, or hang until it is back. */
export function takeStorageAway(world: World): void {
  const random = new SeededRandom(`outages of ${world.seed}`)
  const next = (): void =>
    world.later(random.whole(2000, 60_000), () => {
      if (world.faults === null) return
      const forMs = random.chance(0.5) ? random.whole(1000, 15_000) : random.whole(1000, longestOutageMs)
      world.leaveStorage({ hangs: random.chance(0.4) })
      world.later(forMs, () => {
        world.returnStorage()
        next()
      })
    })
  next()
}
