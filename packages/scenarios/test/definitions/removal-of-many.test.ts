import { createScheduler, defineJob, type Job, type Scheduler, silentLogger } from '@jobistemer/core'
import type { SaveJobAnswer, SaveJobsRequest } from '@jobistemer/core/storage'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage } from '../support/places.ts'
import { createWorld, type World } from '../support/world.ts'

const waiting = 600

function queueing(called: string[]): Job {
  return defineJob({
    name: 'crowded',
    schedule: everySeconds(3600),
    overlapPolicy: 'queue',
    maxQueued: 10_000,
    tasks: [{ name: 'work', run: ({ occurrence }) => called.push(occurrence.id) }],
  })
}

/** Triggers the paused job 600 times, so that 600 runs wait. */
async function crowd(world: World, scheduler: Scheduler): Promise<void> {
  const asked = Array.from({ length: waiting }, () => scheduler.trigger('crowded'))
  await world.clock.settle()
  await Promise.all(asked)
}

describe.each(everyStorage)('on the storage $name', (place) => {
  it('a job with 600 waiting runs is removed in three storage calls, and other work of the event loop runs between these calls', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [queueing(called)], storage: intercepted.storage })
    await scheduler.pause('crowded')
    await crowd(world, scheduler)
    const steps: number[] = []
    let turns = 0
    let turnsBefore = -1
    intercepted.intercept = async (call) => {
      const answer = await call.proceed()
      if (call.operation !== 'saveJobs') return answer
      const [change] = (call.request as SaveJobsRequest).changes
      const [saved] = answer as readonly SaveJobAnswer[]
      if (change?.kind === 'delete' && saved?.outcome === 'saved') {
        steps.push(saved.canceled.length)
        expect(turns).toBeGreaterThan(turnsBefore)
        turnsBefore = turns
        setImmediate(() => turns++)
      }
      return answer
    }
    await scheduler.remove('crowded')
    expect(steps).toEqual([250, 250, 100])
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual([])
    const left = (await scheduler.occurrences({ job: 'crowded', limit: 1000 })).items
    expect(new Set(left.map(({ state, reason }) => `${state} ${reason}`))).toEqual(new Set(['canceled deleted']))
    expect(left).toHaveLength(waiting)
  })

  it('if a node adds a job while a peer removes it, the job stays, and no run from before the removal starts', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const intercepted = new InterceptedStorage(world.connect())
    const remover = await world.start({ jobs: [queueing(called)], storage: intercepted.storage })
    const other = await world.start({ jobs: [] })
    await remover.pause('crowded')
    await crowd(world, remover)
    let deletes = 0
    intercepted.intercept = async (call) => {
      const [change] = call.operation === 'saveJobs' ? (call.request as SaveJobsRequest).changes : []
      // This removal needs two `saveJobs` calls. The other node adds the job between these two calls.
      if (change?.kind === 'delete' && ++deletes === 2) await other.add(queueing(called))
      return call.proceed()
    }
    await remover.remove('crowded')
    await world.clock.advance({ seconds: 10 })
    expect(deletes).toBe(2)
    expect(called).toEqual([])
    await other.trigger('crowded')
    await world.clock.advance({ seconds: 10 })
    expect(called).toHaveLength(1)
    const states = (await other.occurrences({ job: 'crowded', limit: 1000 })).items.map(({ state }) => state)
    expect(states.filter((state) => state === 'canceled')).toHaveLength(waiting)
    expect(states.filter((state) => state === 'completed')).toHaveLength(1)
  })
})

it('a node runs a job that was added again before its removal had canceled all waiting runs', async () => {
  const world = createWorld()
  const called: string[] = []
  const intercepted = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ storage: intercepted.storage })
  await scheduler.add(queueing([]))
  await scheduler.pause('crowded')
  await crowd(world, scheduler)
  let deletions = 0
  intercepted.intercept = async ({ operation, request, proceed }) => {
    const isDeletion = operation === 'saveJobs' && (request as SaveJobsRequest).changes[0]?.kind === 'delete'
    if (isDeletion && ++deletions === 2) await scheduler.add(queueing(called))
    return await proceed()
  }
  await scheduler.remove('crowded')
  await world.clock.advance({ hours: 2 })
  expect(deletions).toBe(2)
  expect(called).toHaveLength(2)
})

it('the timeout of `remove` limits each answer of the storage, not the removal of all waiting runs', async () => {
  const world = createWorld()
  const intercepted = new InterceptedStorage(world.connect())
  // Without its method `track`, the virtual clock also advances while storage calls are pending.
  const { track: _, ...clock } = world.clock
  const scheduler = createScheduler({ jobs: [queueing([])], storage: intercepted.storage, clock, logger: silentLogger })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0 }))
  await scheduler.start()
  await scheduler.pause('crowded')
  await crowd(world, scheduler)
  intercepted.intercept = async ({ operation, proceed }) => {
    if (operation === 'saveJobs') await world.clock.sleep(600)
    return await proceed()
  }
  const removing = scheduler.remove('crowded', { timeout: 1000 }).then(() => 'removed')
  await world.clock.advance({ seconds: 10 })
  expect(await removing).toBe('removed')
})
