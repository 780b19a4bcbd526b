import { sleep } from '../support/sleep.ts'
import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import type { Fleet } from './fleet.ts'
import type { NodeProcess } from './node-process.ts'

const lookEveryMs = 20

/** Returns a random candidate, and waits while there is no candidate. */
export async function target(
  fleet: Fleet,
  random: SeededRandom,
  candidates: () => readonly NodeProcess[],
): Promise<NodeProcess> {
  for (;;) {
    const present = candidates()
    if (present.length > 0) return random.pick(present)
    fleet.assertAlive()
    await sleep(lookEveryMs)
  }
}
