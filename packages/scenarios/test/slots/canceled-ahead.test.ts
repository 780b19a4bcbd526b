import { createClient, defineJob, type Job, silentLogger } from '@jobistemer/core'
import { expect, describe, it, onTestFinished } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, secondsOf, type World } from '../support/world.ts'

function job(name: string, until?: number): Job {
  const schedule = everySeconds(10, ...(until === undefined ? [] : [+at(until)]))
  return defineJob({ name, schedule, tasks: [{ name: 'work', run: () => 1 }] })
}

function clientOf(world: World) {
  const options = { clock: world.clock, logger: silentLogger, scheduleTypes: [everyType] }
  const client = createClient({ storage: world.connect(), ...options })
  onTestFinished(() => client.close())
  return client
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('`nextRuns` omits slots that were canceled ahead, on each node and in a client', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [job('tick')] })
    const other = await world.start({ jobs: [job('tick')] })
    for (const second of [10, 20, 40]) await scheduler.cancelSlot('tick', at(second))
    await scheduler.trigger('tick', { at: at(30) })
    for (const one of [scheduler, other, clientOf(world)]) {
      expect((await one.nextRuns('tick', 3)).map(secondsOf)).toEqual([30, 50, 60])
    }
  })

  it('`nextRuns` returns no slot if the last slots of a schedule were canceled ahead', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [job('tick', 20)] })
    for (const second of [10, 20]) await scheduler.cancelSlot('tick', at(second))
    expect(await scheduler.nextRuns('tick')).toEqual([])
    expect(await clientOf(world).job('tick')).toMatchObject({ nextAt: null })
  })

  it('`jobs` and `job` return the next slot that was not canceled ahead', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [job('tick'), job('tock')] })
    for (const second of [10, 20]) await scheduler.cancelSlot('tick', at(second))
    const client = clientOf(world)
    const nexts = async () =>
      (await client.jobs()).items.map(({ name, nextAt }) => [name, nextAt && secondsOf(nextAt)]).sort()
    expect(await nexts()).toEqual([
      ['tick', 30],
      ['tock', 10],
    ])
    expect((await client.jobs({ text: 'tick', include: ['lastRun', 'counts'] })).items).toMatchObject([
      { nextAt: at(30), lastRun: null, counts: { running: 0 } },
    ])
    expect(await client.job('tick')).toMatchObject({ nextAt: at(30) })
    await world.clock.advance({ seconds: 12 })
    expect(await nexts()).toEqual([
      ['tick', 30],
      ['tock', 20],
    ])
  })

  it('`plan` lists the next slots of the schedule, although one of these slots was canceled ahead', async () => {
    const world = createWorld(place)
    const [tick, tock] = [job('tick'), job('tock')].map((one): Job => ({ ...one, owner: 'team' })) as [Job, Job]
    const scheduler = await world.start({ jobs: [tick, tock] })
    await scheduler.cancelSlot('tick', at(30))
    const plan = await clientOf(world).plan([{ ...tick, description: 'changed' }], { owner: 'team' })
    const seconds = (dates: readonly Date[] = []) => dates.map(secondsOf)
    expect(seconds(plan.changed[0]?.before)).toEqual([10, 20, 30])
    expect(seconds(plan.changed[0]?.after)).toEqual([10, 20, 30])
    expect(seconds(plan.removed[0]?.before)).toEqual([10, 20, 30])
  })
})
