import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { createWorld } from '../support/world.ts'

const report = defineJob({
  name: 'report',
  schedule: everySeconds(60),
  tasks: [{ name: 'work', handler: 'work' }],
})

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node finds a job that was stored a minute after the first of the repeated calls of `add`', async () => {
    const world = createWorld(place)
    let runs = 0
    // Without wake-ups, the node scans for changed jobs at its interval.
    const polled = wrapStorage(world.connect(), { subscribe: undefined })
    await world.start({ storage: polled, handlers: { work: () => void runs++ }, scheduleTypes: [everyType] })
    await world.clock.advance({ minutes: 2 })
    const connection = world.connect()
    // A call that is repeated for a minute has the instant of its first attempt.
    const storage = wrapStorage(connection, {
      around: (call) =>
        call.method === 'saveJobs'
          ? connection.saveJobs({ ...call.request, now: call.request.now - 60_000 })
          : call.proceed(),
    })
    const client = createClient({ storage, clock: world.clock, scheduleTypes: [everyType], logger: silentLogger })
    await client.add(report)
    // Every hundredth scan for changed jobs goes back ten minutes: one scan in five minutes.
    await world.clock.advance({ minutes: 8 })
    expect(runs).toBeGreaterThan(1)
    await client.close()
  })

  it('`remove` does not repeat its call, so that it cannot remove a job that another caller adds meanwhile', async () => {
    const world = createWorld(place)
    const other = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
    const storage = wrapStorage(world.connect(), {
      around: async (call) => {
        const answer = await call.proceed()
        if (call.method !== 'saveJobs' || call.request.changes[0]?.kind !== 'delete') return answer
        await other.add(report)
        throw new Error('the answer was lost')
      },
    })
    const client = createClient({ storage, clock: world.clock, logger: silentLogger })
    await other.add(report)
    await expect(client.remove('report')).rejects.toThrow('the answer was lost')
    expect((await other.job('report')).name).toBe('report')
    await client.close()
    await other.close()
  })
})
