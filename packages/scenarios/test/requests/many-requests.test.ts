import { defineJob, type Job, type Scheduler, type TriggerItem } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { type Call, InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, type World } from '../support/world.ts'

interface SentItem {
  readonly kind: string
  readonly runs: readonly unknown[] | null
}

function itemsOf({ operation, request }: Pick<Call, 'operation' | 'request'>): readonly SentItem[] {
  return operation === 'createOccurrences' ? (request as { items: readonly SentItem[] }).items : []
}

const creates = (call: Call): boolean => itemsOf(call).length > 0

/** Defines a job without a limit on concurrent runs. `ran` lists the data of its runs. */
function asking(world: World, seconds = 0): { readonly job: Job; readonly ran: string[] } {
  const ran: string[] = []
  const job = defineJob({
    name: 'asked',
    schedule: everySeconds(3600),
    overlapPolicy: 'allow',
    tasks: [
      {
        name: 'work',
        run: async ({ input }) => {
          ran.push(String(input))
          if (seconds > 0) await world.clock.sleep({ seconds })
        },
      },
    ],
  })
  return { job, ran }
}

async function start(world: World, jobs: readonly Job[], options: { maxConcurrentJobs?: number } = {}) {
  const intercepted = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ jobs, storage: intercepted.storage, ...options })
  intercepted.reset()
  return { intercepted, scheduler }
}

function triggers(scheduler: Scheduler, count: number): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled(
    Array.from({ length: count }, (_, index) => scheduler.trigger('asked', { data: `${index}` })),
  )
}

const all = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)

describe.each(everywhere)('on the storage $name', (place) => {
  it('200 concurrent triggers are stored in one call, and each runs once', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job], { maxConcurrentJobs: 400 })
    const requests = triggers(scheduler, 200)
    await world.clock.advance({ seconds: 1 })
    expect((await requests).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(intercepted.count('createOccurrences')).toBe(1)
    await world.clock.advance({ minutes: 1 })
    expect(ran.sort()).toEqual(all(200).sort())
  })

  it('concurrent triggers with large data are split into several storage calls of limited size', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    const requests = Promise.all(all(30).map((each) => scheduler.trigger('asked', { data: each.padEnd(100_000) })))
    await world.clock.advance({ seconds: 1 })
    await requests
    expect(intercepted.calls.map((call) => itemsOf(call).length).filter((count) => count > 0)).toEqual([11, 11, 8])
    await world.clock.advance({ minutes: 1 })
    expect(ran.map((data) => data.trim()).sort()).toEqual(all(30).sort())
  })

  it('concurrent triggers get at most half of the permits when they are created, and the remaining triggers run later', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world, 5)
    const { intercepted, scheduler } = await start(world, [job], { maxConcurrentJobs: 10 })
    const requests = triggers(scheduler, 30)
    await world.clock.settle()
    await requests
    const sent = intercepted.calls.map((call) => itemsOf(call).filter(({ runs }) => runs !== null).length)
    expect(sent.filter((count) => count > 0)).toEqual([5])
    await world.clock.advance({ minutes: 1 })
    expect(ran.sort()).toEqual(all(30).sort())
  })

  it('a caller that aborts its trigger while the storage fails stops only this trigger, which never runs', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    let isAway = true
    intercepted.intercept = (call) => (isAway && creates(call) ? Promise.reject(new Error('away')) : call.proceed())
    const controller = new AbortController()
    const given = scheduler.trigger('asked', { data: 'given up', signal: controller.signal }).catch((error) => error)
    const kept = scheduler.trigger('asked', { data: 'kept' })
    await world.clock.advance(50)
    controller.abort()
    await expect(given).resolves.toMatchObject({ code: 'ABORTED' })
    isAway = false
    await world.clock.advance({ minutes: 1 })
    await expect(kept).resolves.toMatchObject({ created: true })
    expect(ran).toEqual(['kept'])
  })

  it("if the answer to several triggers in one call was lost, each runs once, even after a caller's timeout", async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    intercepted.fail('createOccurrences', 1, 'after its effect')
    const given = scheduler.trigger('asked', { data: 'given up', timeout: 50 }).catch((error) => error)
    const kept = ['a', 'b', 'c'].map((data) => scheduler.trigger('asked', { data }))
    await world.clock.advance({ minutes: 1 })
    await expect(given).resolves.toMatchObject({ code: 'STORAGE_TIMEOUT' })
    expect(await Promise.all(kept)).toHaveLength(3)
    expect(ran.sort()).toEqual(['a', 'b', 'c', 'given up'])
  })

  it('a trigger that the storage rejects fails alone with STORAGE_REFUSED, and concurrent triggers run', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    intercepted.intercept = (call) =>
      creates(call) && JSON.stringify(call.request).includes('"3"')
        ? Promise.reject(new RangeError('3'))
        : call.proceed()
    const requests = triggers(scheduler, 6)
    await world.clock.advance({ seconds: 8 })
    const results = await requests
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, true, true])
    expect(results[3]).toMatchObject({ reason: { code: 'STORAGE_REFUSED', cause: expect.any(RangeError) } })
    expect(ran.sort()).toEqual(['0', '1', '2', '4', '5'])
  })

  it('a shutdown waits for triggers that are in progress and for triggers that wait for the next storage call', async () => {
    const world = createWorld(place)
    const { job } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    intercepted.intercept = async (call) => {
      if (creates(call)) await held
      return call.proceed()
    }
    const first = scheduler.trigger('asked')
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    const second = scheduler.trigger('asked')
    const stopping = scheduler.shutdown()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    release()
    await world.clock.advance({ minutes: 1 })
    expect(await Promise.all([first, second])).toMatchObject([{ created: true }, { created: true }])
    await stopping
  })
})

describe.each(everywhere)('on the storage $name, `triggerMany`', (place) => {
  it('returns a result for each item in the order of the items, and needs two storage calls', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const strict = defineJob({ name: 'strict', schedule: everySeconds(3600), tasks: [{ name: 'work', run: () => 1 }] })
    const { intercepted, scheduler } = await start(world, [job, strict])
    const items: TriggerItem[] = [
      { job: 'asked', data: 'a', key: 'same', reason: 'why', actor: 'who' },
      { job: 'strict' },
      { job: 'strict' },
      { job: 'asked', data: 'b', key: 'same' },
      { job: 'asked', data: 'c' },
    ]
    const asked = scheduler.triggerMany(items)
    await world.clock.settle()
    const results = await asked
    expect(results).toMatchObject([
      { error: null, created: true, state: 'running' },
      { error: null, created: true, state: 'running' },
      { error: null, created: true, state: 'skipped', reason: 'overlap' },
      { error: null, created: false },
      { error: null, created: true, state: 'running' },
    ])
    // Two items have the same key. The second of these items waits for the answer to the first one, so the node needs two
    // calls.
    expect(intercepted.count('createOccurrences')).toBe(2)
    expect(ran.sort()).toEqual(['a', 'c'])
    const occurrences = (await scheduler.occurrences({ job: 'asked' })).items
    expect(occurrences.find(({ requestKey }) => requestKey === 'same')).toMatchObject({
      input: 'a',
      requestKey: 'same',
      requestReason: 'why',
      requestActor: 'who',
    })
    expect(await scheduler.triggerMany([])).toEqual([])
  })

  it('returns an error for the item that the storage rejects, and results for the other items', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    intercepted.intercept = (call) =>
      creates(call) && JSON.stringify(call.request).includes('"bad"') ? Promise.reject(new Error('no')) : call.proceed()
    const asked = scheduler.triggerMany(['a', 'bad', 'c'].map((data) => ({ job: 'asked', data })))
    await world.clock.advance({ seconds: 8 })
    const results = await asked
    expect(results).toMatchObject([{ error: null }, { error: { code: 'STORAGE_REFUSED' } }, { error: null }])
    expect(ran.sort()).toEqual(['a', 'c'])
  })

  it('returns the items that were stored before the storage stopped answering, and sends none of the remaining items', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const target = world.connect()
    const intercepted = new InterceptedStorage(target)
    const storage = Object.assign(intercepted.storage, { capabilities: { ...target.capabilities, maxBatch: 1 } })
    const scheduler = await world.start({ jobs: [job], storage })
    let sent = 0
    intercepted.intercept = (call) => (creates(call) && ++sent > 2 ? Promise.reject(new Error('away')) : call.proceed())
    const asked = scheduler.triggerMany(
      all(20).map((data) => ({ job: 'asked', data })),
      { timeout: { seconds: 2 } },
    )
    await world.clock.advance({ seconds: 2 })
    const results = await asked
    expect(results.map(({ error }) => error?.code ?? null)).toEqual([
      null,
      null,
      ...Array.from({ length: 18 }, () => 'STORAGE_TIMEOUT'),
    ])
    intercepted.intercept = (call) => call.proceed()
    await world.clock.advance({ minutes: 1 })
    expect(ran).toEqual(['0', '1'])
  })

  it('with one invalid item rejects, and stores none of the items', async () => {
    const world = createWorld(place)
    const { job, ran } = asking(world)
    const { intercepted, scheduler } = await start(world, [job])
    const good: TriggerItem = { job: 'asked' }
    const refusals: readonly [unknown, string, string][] = [
      [{ job: 'asked', key: '' }, 'INVALID_NAME', 'items[3].key'],
      [{ job: 'asked', data: 5n }, 'INVALID_ARGUMENT', 'items[3].data'],
      [{ job: 'asked', tasks: [] }, 'INVALID_ARGUMENT', 'items[3].tasks'],
      [{ job: 'asked', tasks: ['none'] }, 'TASK_NOT_FOUND', 'items[3].tasks'],
      [{ job: 'asked', overrides: { taskTimeout: 0 } }, 'INVALID_DURATION', 'items[3].overrides.taskTimeout'],
      [{ job: 'asked', timeout: 5 }, 'UNKNOWN_OPTION', 'items[3].timeout'],
      [{ job: 'none' }, 'JOB_NOT_FOUND', 'items[3].job'],
      [{}, 'INVALID_NAME', 'items[3].job'],
      ['asked', 'INVALID_ARGUMENT', 'items[3]'],
    ]
    for (const [item, code, field] of refusals) {
      const list = [good, good, good, item as TriggerItem, good]
      await expect(scheduler.triggerMany(list), field).rejects.toMatchObject({ code, field })
    }
    const long = Array.from({ length: 10_001 }, () => good)
    await expect(scheduler.triggerMany(long)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'items',
      value: 10_001,
      remedy: expect.stringContaining('several calls'),
    })
    await world.clock.advance({ minutes: 1 })
    expect(intercepted.count('createOccurrences')).toBe(0)
    expect(ran).toEqual([])
  })
})
