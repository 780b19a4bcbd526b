import { createClient, defineJob, diffSchedules, type TaskContext } from '@jobistemer/core'
import { runJob } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { rarely } from '../support/rarely.ts'
import { at, createWorld, secondsOf } from '../support/world.ts'

const report = (run: (context: TaskContext) => unknown) =>
  defineJob({
    name: 'report',
    tags: ['billing', 'eu'],
    description: 'Writes the report of a day.',
    tasks: [{ name: 'write', run }],
  })

describe.each(everywhere)('on the storage $name, a job without a schedule', (place) => {
  it('runs only on request, even if a client without the code of the job requests the run', async () => {
    const world = createWorld(place)
    const ran: unknown[] = []
    const job = report(({ scheduledAt, input }) => ran.push([secondsOf(scheduledAt), input]))
    const node = await world.start({ jobs: [job] })
    const client = createClient({ storage: world.connect(), clock: world.clock })
    await world.clock.advance({ hours: 2 })
    await client.trigger('report', { data: 'of the client' })
    await world.clock.advance({ seconds: 5 })
    const { id } = await node.trigger('report', { data: 'of the node' })
    await world.clock.advance({ seconds: 1 })
    await client.replay(id)
    await world.clock.advance({ seconds: 5 })
    expect(ran).toEqual([
      [7200, 'of the client'],
      [7205, 'of the node'],
      [7205, 'of the node'],
    ])
    expect([await node.nextRuns('report'), await client.nextRuns('report')]).toEqual([[], []])
    expect(await client.explain('report', at(60))).toMatchObject({ verdict: 'not_a_slot' })
    expect(await client.job('report')).toMatchObject({
      schedule: null,
      scheduleDescription: 'on request',
      nextAt: null,
      tags: ['billing', 'eu'],
      description: 'Writes the report of a day.',
    })
  })

  it('gets a schedule by an update, and further updates remove this schedule for a span of time or permanently', async () => {
    const world = createWorld(place)
    const ran: number[] = []
    const node = await world.start({ jobs: [report(({ scheduledAt }) => ran.push(secondsOf(scheduledAt)))] })
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    expect(await node.update('report', { schedule: everySeconds(60) })).toMatchObject({ changed: true, nextAt: at(60) })
    await world.clock.advance({ seconds: 130 })
    await client.update('report', { schedule: null }, { policy: { type: 'windowed', from: at(150), to: at(400) } })
    await world.clock.advance({ seconds: 400 })
    expect(ran).toEqual([60, 120, 420, 480])
    expect(await client.update('report', { schedule: null }, { policy: 'graceful' })).toMatchObject({ nextAt: at(540) })
    await world.clock.advance({ seconds: 300 })
    expect(ran).toEqual([60, 120, 420, 480, 540])
    expect(await node.update('report', { schedule: null })).toMatchObject({ changed: false, nextAt: null })
    await node.trigger('report')
    await world.clock.advance({ seconds: 1 })
    expect(ran.at(-1)).toBe(830)
  })

  it('can be planned, applied and added, and remains when retention removes its old history', async () => {
    const world = createWorld(place)
    const retention = { olderThan: { hours: 2 }, keep: 3 }
    const tasks = [{ name: 'work', handler: 'note' }]
    const node = await world.start({ ...rarely, handlers: { note: () => undefined } })
    const planned = defineJob({ name: 'planned', tasks, retention })
    const plan = await node.plan([planned], { owner: 'ops' })
    expect(plan.added).toEqual([{ name: 'planned', version: null, before: [], after: [], changes: [] }])
    await node.apply(plan)
    await node.add(defineJob({ name: 'added', tasks, retention }))
    for (let time = 0; time < 5; time++) {
      await node.trigger('added')
      await world.clock.advance({ seconds: 1 })
    }
    await world.clock.advance({ hours: 8 })
    const { items } = await node.jobs()
    expect(items.map(({ name }) => name).sort()).toEqual(['added', 'planned'])
    expect((await node.occurrences({ job: 'added' })).items).toHaveLength(3)
    // Retention may run in the same second as this trigger, and keeps only three of the four occurrences. The new occurrence
    // must be one of these three.
    const { id: asked } = await node.trigger('added')
    await world.clock.advance({ seconds: 1 })
    expect((await node.occurrences({ job: 'added' })).items.map(({ id }) => id)).toContain(asked)
  })
})

describe('the tags and the description of a job', () => {
  it('are part of its definition, can be changed by an update, and `jobs` finds jobs by a tag', async () => {
    const world = createWorld()
    const node = await world.start({ jobs: [report(() => undefined)] })
    await node.add(defineJob({ name: 'other', tags: ['eu'], tasks: [{ name: 'work', handler: 'note' }] }))
    const tagged = async (tag: string) => (await node.jobs({ tag })).items.map(({ name }) => name).sort()
    expect([await tagged('eu'), await tagged('billing'), await tagged('us')]).toEqual([
      ['other', 'report'],
      ['report'],
      [],
    ])
    expect(await node.update('report', { tags: ['us'], description: 'Another one.' })).toMatchObject({ version: 2 })
    expect(await node.update('report', { tags: ['us'] })).toMatchObject({ version: 2, changed: false })
    expect([await tagged('eu'), await tagged('us')]).toEqual([['other'], ['report']])
    expect(await node.job('report')).toMatchObject({ tags: ['us'], description: 'Another one.' })
    await node.update('report', { tags: [], description: null })
    expect(await node.job('report')).toMatchObject({ tags: [], description: null, version: 3 })
  })

  it('are rejected by an update if they are invalid, and the update stores nothing', async () => {
    const world = createWorld()
    const node = await world.start({ jobs: [report(() => undefined)] })
    const refused = (change: object) => expect(node.update('report', change)).rejects
    await refused({ tags: ['a', 'a'] }).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'change.tags[1]' })
    await refused({ description: '' }).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'change.description' })
    await refused({ schedule: null, timezone: 'UTC' }).toMatchObject({ field: 'change.timezone' })
    await expect(node.jobs({ tag: '' })).rejects.toMatchObject({ code: 'INVALID_NAME', field: 'filter.tag' })
    expect((await node.job('report')).version).toBe(1)
  })
})

it('`diffSchedules` lists all slots of a schedule as added or removed if the other schedule is null', () => {
  expect(diffSchedules(null, everySeconds(60), at(0), at(100)).added).toEqual([at(0), at(60)])
  expect(diffSchedules(everySeconds(60), null, at(0), at(100)).removed).toEqual([at(0), at(60)])
})

it('`runJob` runs a job without a schedule', async () => {
  expect(
    (
      await runJob(
        report(() => 'done'),
        { storage: memoryStorage() },
      )
    ).outcome,
  ).toBe('completed')
})
