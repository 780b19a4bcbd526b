import { defineJob, type Job } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

/** Defines the same jobs for every node, as one build does. `ran` lists the runs of all nodes. */
function shared(world: World, names: readonly string[], until: number) {
  const ran: string[] = []
  const define = (): Job[] =>
    names.map((name) =>
      defineJob({
        name,
        schedule: everySeconds(10, +at(until)),
        tasks: [
          {
            name: 'work',
            run: async ({ scheduledAt, fencingToken }) => {
              ran.push(`${name} ${secondsOf(scheduledAt)} ${fencingToken}`)
              await world.clock.sleep({ seconds: 1 })
            },
          },
        ],
      }),
    )
  return { ran, define }
}

const tens = (until: number) => Array.from({ length: until / 10 }, (_, index) => (index + 1) * 10)

describe.each(everywhere)('on the storage $name', (place) => {
  it.each([2, 3])('exactly one of %i nodes runs each slot', async (count) => {
    const world = createWorld(place)
    const { ran, define } = shared(world, ['a', 'b', 'c'], 100)
    for (let node = 0; node < count; node++) await world.start({ jobs: define(), nodeId: `node ${node}` })
    await world.clock.advance({ minutes: 3 })
    const expected = ['a', 'b', 'c'].flatMap((name) => tens(100).map((slot) => `${name} ${slot} 1`))
    expect(ran.slice().sort()).toEqual(expected.sort())
  })

  it('exactly one of two nodes creates each slot, and neither node logs a warning', async () => {
    const world = createWorld(place)
    const { define } = shared(world, ['a'], 100)
    const complaints: unknown[] = []
    const complain = (...words: unknown[]) => complaints.push(words)
    const logger = { debug: () => 0, info: () => 0, warn: complain, error: complain }
    const nodes = [await world.start({ jobs: define(), logger }), await world.start({ jobs: define(), logger })]
    const created = nodes.map((node) => listen(node, 'occurrence.created'))
    await world.clock.advance({ minutes: 3 })
    const slots = created.flat().map(({ event }) => secondsOf(event.scheduledAt))
    expect(slots.sort((left, right) => left - right)).toEqual(tens(100))
    expect(complaints).toEqual([])
  })

  it('exactly one of three nodes that start together after an outage recovers the missed slots of a job', async () => {
    const world = createWorld(place)
    const { ran, define } = shared(world, ['a', 'b'], 300)
    await world.shutdown(await world.start({ jobs: define() }))
    await world.clock.advanceTo(at(600))
    const nodes = ['x', 'y', 'z'].map((nodeId) => world.scheduler({ jobs: define(), nodeId }))
    const heard = nodes.map((node) => listen(node, 'recovery.decided'))
    const starting = Promise.all(nodes.map((node) => node.start()))
    await world.clock.advance({ seconds: 5 })
    await starting
    expect(heard.flat().map(({ event }) => [event.jobName, event.missed, event.toRun])).toHaveLength(2)
    expect(ran.slice().sort()).toEqual(['a 300 1', 'b 300 1'])
    expect(await fates(nodes[0] as never, 'a')).toEqual(['10-290 (29) missed execute_last', '300 completed'])
  })

  it('the remaining nodes run the slots of a job when a node crashes', async () => {
    const world = createWorld(place)
    const { ran, define } = shared(world, ['a'], 100)
    const first = await world.start({ jobs: define() })
    const second = await world.start({ jobs: define() })
    await world.clock.advance({ seconds: 35 })
    world.crash(first)
    await world.clock.advance({ seconds: 30 })
    await world.shutdown(second, 5000)
    await world.start({ jobs: define() })
    await world.clock.advance({ minutes: 2 })
    expect(ran.map((entry) => Number(entry.split(' ')[1]))).toEqual(tens(100))
  })

  it('two nodes with different jobs run only their own jobs', async () => {
    const world = createWorld(place)
    const { ran, define } = shared(world, ['mine'], 50)
    const { ran: others, define: defineOthers } = shared(world, ['yours'], 50)
    await world.start({ jobs: define() })
    await world.start({ jobs: defineOthers() })
    await world.clock.advance({ minutes: 2 })
    expect([ran, others].map((list) => list.length)).toEqual([5, 5])
  })

  it('a node whose clock is 30 s slow creates no slot that another node has created before', async () => {
    const world = createWorld(place)
    const { ran, define } = shared(world, ['a'], 100)
    await world.start({ jobs: define() })
    await world.clock.advance({ seconds: 55 })
    const slow = { ...world.clock, now: () => world.clock.now() - 30_000 }
    const storage = world.connect()
    const { createScheduler } = await import('@jobistemer/core')
    const behind = createScheduler({ jobs: define(), storage, clock: slow })
    const starting = behind.start()
    await world.clock.settle()
    await starting
    await world.clock.advance({ minutes: 3 })
    expect(ran.map((entry) => Number(entry.split(' ')[1])).sort((left, right) => left - right)).toEqual(tens(100))
    await world.shutdown(behind)
  })
})
