import { createScheduler, defineJob, silentLogger, type TaskContext } from '@jobistemer/core'
import { expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { type Call, InterceptedStorage } from '../support/intercepted-storage.ts'
import { memory } from '../support/places.ts'
import { at, createWorld, fates, secondsOf } from '../support/world.ts'

/** Makes a promise that resolves when `release` is called. */
function hold() {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return { release, released }
}

/**
 * Waits 30 turns of the event loop. After these turns, all steps that need only promises have run. The virtual clock does not
 * advance meanwhile, because it waits for the storage calls that the test holds back.
 */
async function turns() {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Returns the id of the job whose slot a storage call creates; `null` for any other call. */
function slotOf({ operation, request }: Pick<Call, 'operation' | 'request'>): string | null {
  if (operation !== 'createOccurrences') return null
  const [item] = (request as { items: { kind: string; jobId: string }[] }).items
  return item?.kind === 'slot' ? item.jobId : null
}

/** Returns the id of the job whose head a storage call reads; `null` for any other call. */
function lookAt({ operation, request }: Pick<Call, 'operation' | 'request'>): string | null {
  return operation === 'get' ? ((request as { jobs?: string[] }).jobs?.[0] ?? null) : null
}

it("a node does not create a slot twice when the storage answers a read of the slot's job late", async () => {
  const world = createWorld(memory)
  const called: string[] = []
  const job = (name: string, taskTimeout: number) => {
    const run = ({ attempt }: TaskContext) => {
      called.push(`${name}/${attempt} ${secondsOf(world.clock.now())}`)
      return world.clock.sleep({ seconds: 5 })
    }
    return defineJob({ name, schedule: everySeconds(10), taskTimeout, tasks: [{ name: 'work', run }] })
  }
  const changed = job('changed', 100_000)
  const first = job('first', 100_000)
  const second = job('second', 100_000)
  const target = world.connect()
  const intercepted = new InterceptedStorage(target)
  // The node sends each slot in its own call, so several calls are in progress at the same time.
  const storage = Object.assign(intercepted.storage, { capabilities: { ...target.capabilities, maxBatch: 1 } })
  const scheduler = await world.start({ jobs: [changed, first, second], storage, pollInterval: { hours: 1 } })
  await world.clock.advanceTo(at(9))
  intercepted.reset()
  const held = { first: hold(), second: hold(), look: hold(), creation: hold() }
  const creations = () => intercepted.calls.filter((call) => slotOf(call) === changed.id).length
  const looks = () => intercepted.calls.filter((call) => lookAt(call) === changed.id).length
  intercepted.intercept = async (call) => {
    if (slotOf(call) === first.id) await held.first.released
    if (slotOf(call) === second.id) await held.second.released
    const createsChanged = slotOf(call) === changed.id
    const nth = createsChanged ? creations() : looks()
    if (createsChanged && nth === 1) {
      // A newer build starts on another node and replaces the definition.
      const newer = world.scheduler({ jobs: [job('changed', 200_000)] })
      await newer.start()
      // The first node has not declared the crashed node dead yet, so the newer definition stays in force.
      world.crash(newer)
    }
    const answer = await call.proceed()
    if (createsChanged && nth === 2) await held.creation.released
    if (lookAt(call) === changed.id && nth === 1) await held.look.released
    return answer
  }
  const advancing = world.clock.advanceTo(at(18))
  await turns()
  // The answer to the creation reported an outdated version, so the node reads the job.
  expect([creations(), looks()]).toEqual([1, 1])
  await scheduler.cancelSlot('changed', at(30))
  held.first.release()
  await turns()
  // The node has read the job twice. The test has released the answer to the second read, and still holds back the answer to
  // the first read. After the second answer, the node has created the slot again, under the new version.
  expect([creations(), looks()]).toEqual([2, 2])
  held.look.release()
  await turns()
  held.second.release()
  await turns()
  held.creation.release()
  await advancing
  expect(called.sort()).toEqual(['changed/1 10', 'first/1 10', 'second/1 10'])
  called.length = 0
  await world.clock.advanceTo(at(28))
  expect(called.sort()).toEqual(['changed/1 20', 'first/1 20', 'second/1 20'])
})

it('a node that repeats a claim does not release a slot whose creation is in progress', async () => {
  const world = createWorld(memory)
  const called: string[] = []
  const job = defineJob({
    name: 'job',
    schedule: everySeconds(10, +at(10)),
    tasks: [{ name: 'work', run: ({ attempt, fencingToken }) => called.push(`${attempt} under ${fencingToken}`) }],
  })
  const intercepted = new InterceptedStorage(world.connect())
  // Without its method `track`, the virtual clock does not wait for the storage call that the test holds back.
  const { track: _, ...clock } = world.clock
  const { storage } = intercepted
  const scheduler = createScheduler({ jobs: [job], storage, clock, logger: silentLogger, pollInterval: { seconds: 1 } })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
  await scheduler.start()
  const held = hold()
  intercepted.intercept = async (call) => {
    const answer = await call.proceed()
    if (slotOf(call) === job.id) await held.released
    return answer
  }
  await world.clock.advanceTo(at(10.5))
  intercepted.fail('claim', 1, 'before its effect')
  intercepted.reset()
  await world.clock.advanceTo(at(12))
  expect([intercepted.count('listOccurrences'), intercepted.count('settle')]).toEqual([1, 0])
  held.release()
  await world.clock.advanceTo(at(15))
  expect(called).toEqual(['1 under 1'])
  expect(await fates(scheduler, 'job')).toEqual(['10 completed'])
})

it('if a slot is skipped, the permit that was reserved for the slot is used for a pending run', async () => {
  const world = createWorld(memory)
  const called: string[] = []
  const slow = defineJob({
    name: 'slow',
    schedule: everySeconds(10, +at(20)),
    tasks: [{ name: 'work', run: () => world.clock.sleep({ minutes: 1 }) }],
  })
  const asked = defineJob({
    name: 'asked',
    schedule: everySeconds(3600),
    tasks: [{ name: 'work', run: () => called.push(`asked ${secondsOf(world.clock.now())}`) }],
  })
  const options = { jobs: [slow, asked], maxConcurrentJobs: 1, pollInterval: { hours: 1 } }
  const full = await world.start(options)
  await world.clock.advanceTo(at(15))
  const intercepted = new InterceptedStorage(world.connect())
  // The nodes do not see each other's heartbeats, so both create the slot.
  const alone = async ({ operation, proceed }: Call) =>
    operation === 'heartbeat' ? { nodes: [], profiles: [] } : proceed()
  intercepted.intercept = alone
  await world.start({ ...options, storage: intercepted.storage })
  intercepted.intercept = async (call) => {
    if (slotOf(call) === slow.id) {
      expect(await full.trigger('asked')).toMatchObject({ state: 'pending' })
      await turns()
    }
    return alone(call)
  }
  await world.clock.advanceTo(at(21))
  // The other node already runs the job, so this slot is skipped.
  expect((await full.occurrences({ job: 'slow' })).items.map(({ state }) => state)).toEqual(['running', 'skipped'])
  expect(called).toEqual(['asked 20'])
})

it('a node with 10 permits sends 150 due slots in three calls, so that storage and node work in parallel', async () => {
  const world = createWorld(memory)
  const run = () => {}
  const jobs = Array.from({ length: 150 }, (_, index) =>
    defineJob({ name: `job-${index}`, schedule: everySeconds(10), tasks: [{ name: 'work', run }] }),
  )
  const intercepted = new InterceptedStorage(world.connect())
  const { storage } = intercepted
  await world.start({ jobs, storage, maxConcurrentJobs: 10, pollInterval: { hours: 1 } })
  // While the first slots run, the node measures the latency of its handlers.
  await world.clock.advanceTo(at(15))
  intercepted.reset()
  await world.clock.advanceTo(at(25))
  const sizes = intercepted.calls.flatMap(({ operation, request }) =>
    operation === 'createOccurrences' ? [(request as { items: unknown[] }).items.length] : [],
  )
  expect(sizes).toEqual([55, 55, 40])
})

it('a node sends a full batch of slots before it prepares the next batch', async () => {
  const world = createWorld(memory)
  const jobs = Array.from({ length: 150 }, (_, index) =>
    defineJob({ name: `job ${index}`, schedule: everySeconds(10), tasks: [{ name: 'work', run: () => undefined }] }),
  )
  const target = world.connect()
  const intercepted = new InterceptedStorage(target)
  const storage = Object.assign(intercepted.storage, { capabilities: { ...target.capabilities, maxBatch: 50 } })
  await world.start({ jobs, storage, maxConcurrentJobs: 150 })
  await world.clock.advanceTo(at(9))
  // A real socket sends data only at the end of a turn of the event loop. So the node must send each batch in a separate turn.
  let turn = 0
  let ticking = setImmediate(function tick() {
    turn++
    ticking = setImmediate(tick)
  })
  onTestFinished(() => clearImmediate(ticking))
  const leftIn: number[] = []
  intercepted.intercept = async (call) => {
    if (slotOf(call) !== null) leftIn.push(turn)
    return await call.proceed()
  }
  await world.clock.advanceTo(at(10))
  const [first = 0] = leftIn
  expect(leftIn).toEqual([first, first + 1, first + 2])
})
