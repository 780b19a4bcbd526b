import { createClient, defineJob, type JobSettingsInput, JobistemerError, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, type World } from '../support/world.ts'

const ten = Array.from({ length: 10 }, (_, index) => index)

/** Defines a job without a schedule whose runs take 5 s. `sent` lists the data of its runs. */
function mail(world: World, settings: JobSettingsInput = {}) {
  const sent: unknown[] = []
  const run = async ({ input, signal }: TaskContext) => {
    sent.push(input)
    await world.clock.sleep({ seconds: 5 }, signal)
  }
  return { sent, job: defineJob({ name: 'mail', ...settings, tasks: [{ name: 'send', run }] }) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('ten concurrent triggers of a job without a schedule run at the same time', async () => {
    const world = createWorld(place)
    const { job, sent } = mail(world)
    const node = await world.start({ jobs: [job] })
    const results = await Promise.all(ten.map((data) => node.trigger('mail', { data })))
    expect(results.map(({ skipped }) => skipped)).toEqual(ten.map(() => null))
    await world.clock.advance({ seconds: 1 })
    expect(sent.toSorted()).toEqual(ten)
    expect((await node.job('mail')).settings.overlapPolicy).toBe('allow')
  })

  it('a job without a schedule queues the triggers that exceed its maxConcurrency', async () => {
    const world = createWorld(place)
    const { job, sent } = mail(world, { maxConcurrency: 2 })
    const node = await world.start({ jobs: [job] })
    await Promise.all(ten.map((data) => node.trigger('mail', { data })))
    await world.clock.advance({ seconds: 1 })
    expect(sent).toHaveLength(2)
    await world.clock.advance({ seconds: 30 })
    expect(sent.toSorted()).toEqual(ten)
    expect((await node.job('mail')).settings.overlapPolicy).toBe('queue')
  })

  it("the scheduler's defaults set the overlap policy of a job without a schedule", async () => {
    const world = createWorld(place)
    const { job, sent } = mail(world)
    const node = await world.start({ jobs: [job], defaults: { overlapPolicy: 'skip' } })
    await Promise.all(ten.map((data) => node.trigger('mail', { data })))
    await world.clock.advance({ seconds: 30 })
    expect(sent).toHaveLength(1)
  })

  it('an update that adds a schedule sets the overlap policy to skip, and an update that removes the schedule sets it to allow', async () => {
    const world = createWorld(place)
    const { job } = mail(world)
    const node = await world.start({ jobs: [job] })
    const policy = async () => (await node.job('mail')).settings.overlapPolicy
    await node.update('mail', { schedule: everySeconds(3600) })
    expect(await policy()).toBe('skip')
    expect((await node.versions('mail'))[0]?.changes?.map(({ part }) => part)).toContain('overlapPolicy')
    await node.update('mail', { schedule: null })
    expect(await policy()).toBe('allow')
  })

  it('a skipped trigger returns the reason of the skip, and the engine logs one warning a minute with the number of skips', async () => {
    const world = createWorld(place)
    const { job } = mail(world, { overlapPolicy: 'skip' })
    const { lines, logger } = collectingLogger()
    const node = await world.start({ jobs: [job], logger })
    const results = await node.triggerMany(ten.map((data) => ({ job: 'mail', data })))
    expect(results.map((one) => one.error === null && one.skipped)).toEqual([
      null,
      ...ten.slice(1).map(() => 'overlap'),
    ])
    await world.clock.advance({ seconds: 61 })
    const said = lines.filter(({ message }) => message.startsWith('requests were skipped'))
    expect(said.map(({ level, job, count }) => [level, job, count])).toEqual([
      ['warn', 'mail', 1],
      ['warn', 'mail', 8],
    ])
  })

  it('a trigger that exceeds maxQueued rejects with QUEUE_FULL, and leaves no record', async () => {
    const world = createWorld(place)
    const { job, sent } = mail(world, { overlapPolicy: 'queue', maxQueued: 2 })
    const node = await world.start({ jobs: [job] })
    for (const data of [1, 2, 3]) await node.trigger('mail', { data })
    const refusal = { code: 'QUEUE_FULL', field: 'maxQueued', value: 2, message: expect.stringContaining('"mail"') }
    await expect(node.trigger('mail', { data: 4, key: 'four' })).rejects.toMatchObject(refusal)
    const client = createClient({ storage: world.connect(), clock: world.clock })
    await expect(client.trigger('mail', { data: 5 })).rejects.toMatchObject(refusal)
    expect((await node.occurrences({ job: 'mail' })).items).toHaveLength(3)
    await world.clock.advance({ seconds: 20 })
    expect(await node.trigger('mail', { data: 6, key: 'four' })).toMatchObject({ created: true, skipped: null })
    await world.clock.advance({ seconds: 20 })
    expect(sent.toSorted()).toEqual([1, 2, 3, 6])
  })

  it('`triggerMany` returns QUEUE_FULL for each item that exceeds maxQueued', async () => {
    const world = createWorld(place)
    const { job, sent } = mail(world, { overlapPolicy: 'queue', maxConcurrency: 5, maxQueued: 20 })
    const node = await world.start({ jobs: [job] })
    const results = await node.triggerMany(Array.from({ length: 40 }, (_, data) => ({ job: 'mail', data })))
    const refused = results.filter(({ error }) => error !== null)
    expect(refused).toHaveLength(15)
    for (const { error } of refused) expect(JobistemerError.isInstance(error, 'QUEUE_FULL')).toBe(true)
    await world.clock.advance({ minutes: 2 })
    expect(sent).toHaveLength(25)
  })

  it('a replay that exceeds maxQueued rejects with QUEUE_FULL', async () => {
    const world = createWorld(place)
    const { job } = mail(world, { overlapPolicy: 'queue', maxQueued: 1 })
    const node = await world.start({ jobs: [job] })
    const { id } = await node.trigger('mail')
    await world.clock.advance({ seconds: 10 })
    for (const data of [1, 2]) await node.trigger('mail', { data })
    await expect(node.replay(id)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  })

  it('a slot that exceeds maxQueued is skipped with the reason queue_full', async () => {
    const world = createWorld(place)
    const run = ({ signal }: TaskContext) => world.clock.sleep({ seconds: 25 }, signal)
    const job = defineJob({
      name: 'slow',
      schedule: everySeconds(10, +at(40)),
      overlapPolicy: 'queue',
      maxQueued: 1,
      tasks: [{ name: 'work', run }],
    })
    const node = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(await fates(node, 'slow')).toEqual(['10 completed', '20 completed', '30 skipped queue_full', '40 completed'])
  })
})

it('maxQueued defaults to 100,000, or to the limit of the storage for maxQueued if this limit is lower', async () => {
  const world = createWorld()
  const { job } = mail(world, { overlapPolicy: 'queue' })
  const large = await world.start({ jobs: [job] })
  expect((await large.job('mail')).settings.maxQueued).toBe(100_000)
  const other = createWorld()
  const storage = other.connect()
  const small = wrapStorage(storage, { capabilities: { ...storage.capabilities, maxQueued: 2 } })
  const node = await other.start({ jobs: [mail(other, { overlapPolicy: 'queue' }).job], storage: small })
  expect((await node.job('mail')).settings.maxQueued).toBe(2)
  for (const data of [1, 2, 3]) await node.trigger('mail', { data })
  await expect(node.trigger('mail')).rejects.toMatchObject({ code: 'QUEUE_FULL', value: 2 })
})
