import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { BusyMachine, type Costs } from '../support/busy-machine.ts'
import { everySeconds } from '../support/every.ts'
import { memory } from '../support/places.ts'
import { at, createWorld } from '../support/world.ts'

/**
 * Costs of storage calls in milliseconds: a fixed cost per call, and a cost per item of a call. The fixed cost is 1.3 to 1.5
 * times the cost of an item.
 */
const slow = { serverCall: 3, serverItem: 2, nodeCall: 6, nodeItem: 4.7 }

/**
 * Starts nodes on one simulated machine, with more due slots than the machine can run. Returns the runs per second over
 * `seconds` seconds. With `late`, all nodes but one start after ten seconds of load.
 */
async function overload(
  nodes: number,
  {
    late = false,
    jobs = 300,
    costs = slow,
    prefetch = 0,
    seconds = 30,
  }: { late?: boolean; jobs?: number; costs?: Costs; prefetch?: number; seconds?: number } = {},
) {
  const world = createWorld(memory)
  const machine = new BusyMachine(world.clock, costs)
  // Without its method `track`, the virtual clock also advances while storage calls are pending.
  const { track: _, ...clock } = world.clock
  let ran = 0
  const schedule = everySeconds(1, +at(300))
  const tasks = [{ name: 'work', run: () => void ran++ }]
  const define = () =>
    Array.from({ length: jobs }, (_, index) =>
      defineJob({ name: `job ${index}`, schedule, overlapPolicy: 'allow', tasks }),
    )
  const schedulers = Array.from({ length: nodes }, (_, index) => {
    const nodeId = `node ${index}`
    const storage = machine.connect(world.connect(), nodeId)
    const life = { deadAfter: { seconds: 30 }, pollInterval: { seconds: 5 } }
    return createScheduler({
      storage,
      clock,
      nodeId,
      logger: silentLogger,
      maxConcurrentJobs: 30,
      prefetch,
      jobs: define(),
      ...life,
    })
  })
  for (const scheduler of late ? schedulers.slice(0, 1) : schedulers) {
    const starting = scheduler.start()
    await world.clock.settle()
    await starting
  }
  onTestFinished(async () => {
    machine.isBusy = false
    const stopping = Promise.all(schedulers.map((one) => one.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })))
    await world.clock.advance({ seconds: 60 })
    await stopping
  })
  // After 10 s the nodes know each other.
  await world.clock.advanceTo(at(10.5))
  machine.isBusy = true
  await world.clock.advanceTo(at(20.5))
  const before = { ran, asked: machine.asked, claims: machine.claims }
  const starting = Promise.all(late ? schedulers.slice(1).map((one) => one.start()) : [])
  await world.clock.advanceTo(at(20.5 + seconds))
  await starting
  return {
    perSecond: (ran - before.ran) / seconds,
    asked: (machine.asked - before.asked) / (ran - before.ran),
    claims: (machine.claims - before.claims) / (ran - before.ran),
  }
}

it.each([4, 8])('%i overloaded nodes try fewer than 1.3 times on average to create each slot', async (nodes) => {
  const { perSecond, asked } = await overload(nodes)
  // A run costs 17 ms of processor time, so two processors complete at most 117 slots per second. Waiting slots cost further
  // processor time.
  expect(perSecond).toBeGreaterThan(80)
  expect(asked).toBeLessThan(1.3)
})

it('while seven nodes join an overloaded node, all eight nodes together try fewer than two times on average to create each slot', async () => {
  const { perSecond, asked } = await overload(8, { late: true })
  // At first, the joining nodes do not know each other. Until then, each node considers itself assigned to all slots, so
  // several nodes try to create the same slot. So the limits of this test are weaker than the limits of the test above.
  expect(perSecond).toBeGreaterThan(60)
  expect(asked).toBeLessThan(2)
})

it.each([
  [1, 1000],
  [8, 2000],
])(
  '%i nodes with more due slots than permits keep these slots in memory if no other node has permits for them',
  async (nodes, jobs) => {
    const costs = { serverCall: 0.6, serverItem: 0.05, nodeCall: 1.2, nodeItem: 0.1 }
    const { perSecond, claims } = await overload(nodes, { jobs, costs, prefetch: 30, seconds: 15 })
    expect(perSecond).toBeCloseTo(jobs, -1)
    // Each node polls only every 5 s, so it makes few claims. If a node has to claim its own pending slot, no other node had a
    // permit for this slot. From then on, the node keeps such slots in memory, and makes no claims.
    expect(claims).toBeLessThan(0.002)
  },
)

it('a node without free permits stores slots as pending once a peer with free permits has started', async () => {
  const world = createWorld(memory)
  let stored = 0
  const storage = wrapStorage(world.connect(), {
    around: (call) => {
      if (call.method === 'createOccurrences') {
        stored += call.request.items.filter((item) => item.kind === 'slot' && item.runs === null).length
      }
      return call.proceed()
    },
  })
  const start = async (nodeId: string, maxConcurrentJobs: number) => {
    const run = () => world.clock.sleep(50)
    const jobs = Array.from({ length: 60 }, (_, index) =>
      defineJob({
        name: `job ${index}`,
        schedule: everySeconds(1, +at(300)),
        overlapPolicy: 'allow',
        tasks: [{ name: 'work', run }],
      }),
    )
    const scheduler = createScheduler({
      storage: nodeId === 'full' ? storage : world.connect(),
      clock: world.clock,
      nodeId,
      logger: silentLogger,
      maxConcurrentJobs,
      prefetch: 0,
      jobs,
    })
    const starting = scheduler.start()
    await world.clock.settle()
    await starting
    onTestFinished(async () => {
      const stopping = scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
      await world.clock.advance({ seconds: 60 })
      await stopping
    })
  }
  await start('full', 1)
  await world.clock.advanceTo(at(10))
  stored = 0
  await world.clock.advanceTo(at(20))
  // If a node has no peer, it has to claim the slots that it stores as pending. So the node stops storing such slots.
  expect(stored).toBe(0)
  await start('free', 100)
  await world.clock.advanceTo(at(60))
  expect(stored).toBeGreaterThan(20)
})
