import assert from 'node:assert/strict'
import type { JobId } from '@jobistemer/core'
import type { OverlapPolicy, Storage } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { readLive } from '../ledger/read-ledger.ts'
import { everyMinute } from '../races/connection-races.ts'
import { minute, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'
import { checkHistory } from './check-history.ts'
import { type FaultSwitch, faultyStorage, noFaults } from './faulty-storage.ts'
import { History } from './history.ts'
import { SeededRandom } from '../seeded-random.ts'
import { longestRunMs, type SoakClock, SoakNode } from './soak-node.ts'

const nodeCount = 4

const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'cancel_running', 'allow']

/** Returns one soak case for each seed. */
export function soakCases(effort: Effort): readonly StorageCase[] {
  const bodies = effort.seeds.map((seed) => [
    `nodes with lost and doubled answers keep the invariants (seed ${seed})`,
    async (world: CaseWorld) => {
      try {
        await soak(world, seed, rounds(150, effort))
      } catch (error) {
        if (error instanceof Error) {
          error.message += `\nTo run this history again, set JOBISTEMER_CONFORMANCE_SEED=${seed}.`
        }
        throw error
      }
    },
  ])
  return caseGroup('soak', Object.fromEntries(bodies), { depth: 'soak', timeoutMs: 600_000 })
}

async function soak(world: CaseWorld, seed: number, steps: number): Promise<void> {
  const random = new SeededRandom(seed)
  const history = new History()
  const clock: SoakClock = { now: start }
  const faults: FaultSwitch = { rates: { doubled: 0.1, lostAnswer: 0.1, lostCall: 0.05 } }

  const first = new TestNode(history.record(await world.connect()), 'setup')
  const policyOf = new Map<JobId, OverlapPolicy>()
  for (const policy of policies) {
    const job = await first.createJob({ name: policy, policy, maxQueued: 3 })
    policyOf.set(job.id, policy)
  }
  const startRate = { limit: 1, intervalMs: 2 * minute }
  const rated = await first.createJob({ name: 'rated', policy: 'queue', maxQueued: 3, maxConcurrency: 1, startRate })
  policyOf.set(rated.id, 'queue')
  const jobs = [...policyOf.keys()]

  const nodes: SoakNode[] = []
  for (let index = 0; index < nodeCount; index++) {
    // Each node has its own random generator, so that a seed determines all decisions, whatever the speed of the
    // storage.
    const dice = new SeededRandom(random.below(2 ** 32))
    const storage = faultyStorage(history.record(await world.connect()), dice, faults)
    nodes.push(new SoakNode(`node-${index}`, storage, jobs, clock, dice))
  }
  await Promise.all(
    nodes.map(async (node, index) => {
      for (let step = 0; step < steps; step++) await node.step({ mayPause: index === 0 })
    }),
  )

  faults.rates = noFaults
  await comeToRest(nodes, jobs, clock, first.storage)
  await assertLedger(first.storage, { atRest: true, slots: everyMinute })
  const violations = checkHistory(history.events, (jobId) => policyOf.get(jobId))
  const printed = violations.slice(0, 20).map(({ rule, message }) => `  ${rule}: ${message}`)
  assert.equal(violations.length, 0, `the history breaks ${violations.length} rules:\n${printed.join('\n')}`)
}

/** Ends all work after the faults are turned off: each waiting occurrence must start, and each running one must end. */
async function comeToRest(
  nodes: readonly SoakNode[],
  jobs: readonly JobId[],
  clock: SoakClock,
  storage: Storage,
): Promise<void> {
  const [first] = nodes
  assert.ok(first !== undefined)
  for (const id of jobs) await first.setPaused(id, false)
  for (let round = 0; ; round++) {
    for (const node of nodes) {
      await node.claim(100)
      await node.finishAll()
    }
    clock.now += longestRunMs
    await first.reap()
    const live = await Promise.all((['pending', 'queued', 'running'] as const).map((state) => readLive(storage, state)))
    if (live.flat().length === 0) return
    assert.ok(round < 200, `${live.flat().length} occurrences never come to an end: ${JSON.stringify(live.flat()[0])}`)
  }
}
