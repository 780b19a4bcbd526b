import { defineJob, type FailuresFilter, type OccurrenceId, type Scheduler } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everyStorage } from '../support/places.ts'
import { at, createWorld, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every ten seconds. A task fails while `broken` contains its name. */
function failing(world: World, { until = 30 }: { readonly until?: number } = {}) {
  const broken = new Set(['load'])
  const work = (name: string) => ({
    name,
    run: () => {
      if (broken.has(name)) throw new Error(`no ${name}`)
    },
  })
  const job = defineJob({
    name: 'nightly',
    schedule: everySeconds(10, +at(until)),
    overlapPolicy: 'queue',
    tasks: ['extract', 'load', 'mail'].map(work),
  })
  return { job, broken, clock: world.clock }
}

async function secondsOfFailures(scheduler: Scheduler, filter: FailuresFilter = {}): Promise<number[]> {
  const { items } = await scheduler.failures({ order: 'ascending', ...filter })
  return items.map(({ slot, scheduledAt }) => secondsOf(slot ?? scheduledAt))
}

async function failureAt(scheduler: Scheduler, second: number): Promise<OccurrenceId> {
  const { items } = await scheduler.failures({ includeResolved: true })
  return items.find(({ scheduledAt }) => secondsOf(scheduledAt) === second)?.id as OccurrenceId
}

/** Runs the slots of the job while one of its tasks fails, and then repairs the task. */
async function threeFailures(world: World, options: { readonly until?: number } = {}) {
  const { job, broken } = failing(world, options)
  const scheduler = await world.start({ jobs: [job] })
  await world.clock.advance({ seconds: 60 })
  broken.clear()
  const replay = async (id: OccurrenceId, how = {}) => {
    const { id: run } = await scheduler.replay(id, how)
    await world.clock.advance({ seconds: 1 })
    return run
  }
  return { job, scheduler, broken, replay }
}

describe.each(everyStorage)('on the storage $name', (place) => {
  it('`failures` omits a failure whose replay was completed, unless includeResolved is set', async () => {
    const world = createWorld(place)
    const { scheduler, replay } = await threeFailures(world)
    expect(await secondsOfFailures(scheduler)).toEqual([10, 20, 30])
    const original = await failureAt(scheduler, 20)
    const run = await replay(original)
    expect(await secondsOfFailures(scheduler)).toEqual([10, 30])
    const { items } = await scheduler.failures({ includeResolved: true, order: 'ascending' })
    expect(items.map(({ resolvedBy }) => resolvedBy)).toEqual([null, run, null])
  })

  it('a failed replay resolves nothing, and a completed second replay resolves the original and the failed replay', async () => {
    const world = createWorld(place)
    const { scheduler, broken, replay } = await threeFailures(world, { until: 10 })
    broken.add('mail')
    const original = await failureAt(scheduler, 10)
    const first = await replay(original)
    expect(await secondsOfFailures(scheduler)).toEqual([10, 10])
    broken.clear()
    await replay(original)
    expect(await secondsOfFailures(scheduler)).toEqual([])
    expect((await scheduler.occurrence(first)).state).toBe('failed')
  })

  it('a completed replay of a failed replay resolves the original failure', async () => {
    const world = createWorld(place)
    const { scheduler, broken, replay } = await threeFailures(world, { until: 10 })
    broken.add('mail')
    let last = await failureAt(scheduler, 10)
    for (let round = 1; round <= 12; round++) last = await replay(last)
    expect(await secondsOfFailures(scheduler)).toHaveLength(13)
    broken.clear()
    await replay(last)
    expect(await secondsOfFailures(scheduler)).toEqual([])
  })

  it('a completed replay resolves a failure only if the replay ran the failed task again', async () => {
    const world = createWorld(place)
    const { scheduler, replay } = await threeFailures(world, { until: 20 })
    await replay(await failureAt(scheduler, 10), { from: 'load' })
    const mailOnly = await replay(await failureAt(scheduler, 20), { tasks: ['mail'] })
    expect(await secondsOfFailures(scheduler)).toEqual([20])
    await replay(mailOnly, { tasks: ['mail'] })
    expect(await secondsOfFailures(scheduler)).toEqual([20])
    await replay(await failureAt(scheduler, 20), { tasks: ['load', 'mail'] })
    expect(await secondsOfFailures(scheduler)).toEqual([])
  })

  it('a completed run of a backfill resolves the failure of its slot', async () => {
    const world = createWorld(place)
    const { scheduler } = await threeFailures(world)
    await scheduler.backfill('nightly', { from: at(10), to: at(21), which: 'failed' })
    await world.clock.advance({ seconds: 10 })
    expect(await secondsOfFailures(scheduler)).toEqual([30])
  })

  it('`failures` fills its pages although most failures are resolved, and lists each unresolved failure once', async () => {
    const world = createWorld(place)
    const { scheduler } = await threeFailures(world, { until: 60 })
    for (const second of [10, 20, 40, 50]) await scheduler.replay(await failureAt(scheduler, second))
    await world.clock.advance({ seconds: 1 })
    const filter = { order: 'ascending', limit: 1 } as const
    const first = await scheduler.failures(filter)
    const second = await scheduler.failures({ ...filter, cursor: first.cursor })
    const all = [...first.items, ...second.items].map(({ scheduledAt }) => secondsOf(scheduledAt))
    expect(all).toEqual([30, 60])
    expect(second.cursor).toBeNull()
  })

  it('replays of one occurrence have distinct ids, and replays with one key create one run', async () => {
    const world = createWorld(place)
    const { job, scheduler } = await threeFailures(world, { until: 10 })
    const other = await world.start({ jobs: [job] })
    const original = await failureAt(scheduler, 10)
    const asked = [{}, { key: 'ticket' }, {}, { key: 'ticket' }, { key: 'another' }, {}]
    const results = await Promise.all(
      asked.flatMap((how) => [scheduler, other].map((node) => node.replay(original, how))),
    )
    await world.clock.advance({ seconds: 10 })
    expect(new Set(results.map(({ id }) => id)).size).toBe(6 + 2)
    expect(results.filter(({ created }) => created)).toHaveLength(6 + 2)
    const { items } = await scheduler.occurrences({ job: 'nightly', states: ['completed'] })
    expect(items.filter(({ replayOf }) => replayOf === original)).toHaveLength(6 + 2)
  })

  it('a replay request whose answer was lost creates one run', async () => {
    const world = createWorld(place)
    const { job, broken } = failing(world, { until: 10 })
    let isLost = false
    const storage = wrapStorage(world.connect(), {
      around: async (call) => {
        const answer = await call.proceed()
        if (!isLost || call.method !== 'createOccurrences') return answer
        isLost = false
        throw new Error('the answer was lost')
      },
    })
    const scheduler = await world.start({ jobs: [job], storage })
    await world.clock.advance({ seconds: 60 })
    broken.clear()
    isLost = true
    const replaying = scheduler.replay(await failureAt(scheduler, 10))
    await world.clock.advance({ seconds: 10 })
    const { id } = await replaying
    const { items } = await scheduler.occurrences({ job: 'nightly', states: ['completed'] })
    expect(items.map((run) => run.id)).toEqual([id])
  })
})

it('`failures` reads from the storage only failed occurrences and the runs that resolved them', async () => {
  const world = createWorld()
  const { job } = failing(world)
  const listed: string[] = []
  const storage = wrapStorage(world.connect(), {
    around: async (call) => {
      if (call.method === 'listOccurrences') listed.push(call.request.kind)
      return call.proceed()
    },
  })
  const scheduler = await world.start({ jobs: [job], storage })
  await world.clock.advance({ seconds: 60 })
  listed.length = 0
  const { items } = await scheduler.failures()
  expect(items).toHaveLength(3)
  expect(listed).toEqual(['failed'])
})
