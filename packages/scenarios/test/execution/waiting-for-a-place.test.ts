import { defineJob, type DurationInput, type Job } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, type World } from '../support/world.ts'

/** Defines jobs that all come due at second 10, and whose handlers take `handlerMs` each. */
function due(world: World, count: number, handlerMs: number, settings: { misfireThreshold?: number } = {}): Job[] {
  return Array.from({ length: count }, (_, index) =>
    defineJob({
      name: `job-${index}`,
      schedule: everySeconds(10, +at(10)),
      ...settings,
      tasks: [{ name: 'work', run: () => (handlerMs === 0 ? undefined : world.clock.sleep(handlerMs)) }],
    }),
  )
}

async function startOn(
  world: World,
  jobs: Job[],
  maxConcurrentJobs: number,
  pollInterval: DurationInput = { hours: 1 },
) {
  const intercepted = new InterceptedStorage(world.connect())
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs, pollInterval }
  const scheduler = await world.start(options)
  const created = listen(scheduler, 'occurrence.created')
  return { intercepted, scheduler, states: () => created.map(({ event }) => event.state) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('ten due slots with quick handlers start on two permits, two at a time, and none of them is stored as pending', async () => {
    const world = createWorld(place)
    const { intercepted, states } = await startOn(world, due(world, 10, 20), 2)
    await world.clock.advance({ seconds: 9 })
    intercepted.reset()
    await world.clock.advance({ seconds: 2 })
    expect(states()).toEqual(Array.from({ length: 10 }, () => 'running'))
    expect(intercepted.count('createOccurrences')).toBe(5)
    // The node starts the ten slots in five groups of two. Each group needs one call of `createOccurrences` and one call of
    // `settle`. The node stores no run as pending, so it makes no claim.
    expect(intercepted.count('settle')).toBe(5)
    expect(intercepted.count('claim')).toBe(0)
  })

  it('a slot that has waited 0.1 s for a permit is stored as pending', async () => {
    const world = createWorld(place)
    const { states } = await startOn(world, due(world, 5, 60_000), 2)
    await world.clock.advanceTo(at(10))
    expect(states()).toEqual(['running', 'running'])
    await world.clock.advance(99)
    expect(states()).toHaveLength(2)
    await world.clock.advance(1)
    expect(states()).toEqual(['running', 'running', 'pending', 'pending', 'pending'])
  })

  it('another node claims slots that have waited 0.1 s for a permit of their node', async () => {
    const world = createWorld(place)
    const jobs = due(world, 5, 60_000)
    await startOn(world, jobs, 2)
    const { scheduler } = await startOn(world, jobs, 10, { seconds: 1 })
    // The other node claims after a wake-up if the storage has wake-ups, and otherwise at its next poll.
    await world.clock.advanceTo(at(11.2))
    for (const { name } of jobs) expect(await fates(scheduler, name)).toEqual(['10 running'])
  })

  it('a slot that waits for a permit is stored as pending before it would count as missed', async () => {
    const world = createWorld(place)
    const { scheduler, states } = await startOn(world, due(world, 3, 60_000, { misfireThreshold: 20 }), 1)
    await world.clock.advanceTo(at(10))
    await world.clock.advance(10)
    expect(states()).toEqual(['running', 'pending', 'pending'])
    const missed = (await scheduler.occurrences({ job: 'job-2', states: ['missed'] })).items
    expect(missed).toEqual([])
  })

  it('a node frees a run’s permit when the run’s tasks have ended, before the storage has answered the settle', async () => {
    const world = createWorld(place)
    const { intercepted } = await startOn(world, due(world, 2, 50), 1)
    const log: string[] = []
    intercepted.intercept = async (call) => {
      log.push(call.operation)
      const answer = await call.proceed()
      if (call.operation === 'settle') {
        for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
        log.push('settle is answered')
      }
      return answer
    }
    await world.clock.advance({ seconds: 9 })
    log.length = 0
    await world.clock.advance({ seconds: 2 })
    expect(log.slice(0, 4)).toEqual(['createOccurrences', 'createOccurrences', 'settle', 'settle is answered'])
  })
})
