import type { CallOptions } from '@jobistemer/core'
import type { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/** Draws the timeout of a user's call: mostly the scheduler's default, sometimes a shorter timeout or an abort. */
export function drawPatience(world: World, life: NodeLife): CallOptions {
  const { random } = world
  if (random.chance(0.8)) return {}
  if (random.chance(0.5)) return { timeout: random.pick([1, 1000, 30_000]) }
  const controller = new AbortController()
  world.later(random.whole(0, 10_000), () =>
    life.whenAwake(() => controller.abort(new Error('the caller no longer waits for an answer'))),
  )
  return { signal: controller.signal }
}
