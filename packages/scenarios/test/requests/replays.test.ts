import { defineJob, type OccurrenceId, type Scheduler, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, listen, type World } from '../support/world.ts'

/** The instants that a handler receives in its context. */
type Seen = Pick<TaskContext, 'scheduledAt' | 'requestedAt' | 'latenessMs' | 'span'>

/** Defines a job with a slot every ten seconds up to `until`. Its runs fail until `repair` is called. */
function failing(
  world: World,
  { until = 10, ...settings }: { readonly until?: number; readonly recoveryStrategy?: 'compressed' } = {},
) {
  const seen: Seen[] = []
  let isBroken = true
  const job = defineJob({
    name: 'daily',
    schedule: everySeconds(10, +at(until)),
    overlapPolicy: 'queue',
    ...settings,
    tasks: [
      {
        name: 'report',
        run: ({ scheduledAt, requestedAt, latenessMs, span }) => {
          seen.push({ scheduledAt, requestedAt, latenessMs, span })
          if (isBroken) throw new Error('no')
        },
      },
    ],
  })
  const repair = () => {
    isBroken = false
    seen.length = 0
  }
  return { job, seen, repair, clock: world.clock }
}

async function firstOf(scheduler: Scheduler): Promise<OccurrenceId> {
  const { items } = await scheduler.occurrences({ job: 'daily' })
  return items[0]?.id as OccurrenceId
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('the handler of a replay receives the slot of the original, and the instant of the replay request', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world)
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 10 })
    repair()
    await scheduler.replay(await firstOf(scheduler))
    await world.clock.advance({ seconds: 1 })
    expect(seen).toEqual([{ scheduledAt: at(10), requestedAt: at(600), latenessMs: 0, span: null }])
  })

  it('a delayed replay keeps the slot of the original, and its lateness counts from its requested start', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world)
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 100 })
    repair()
    await scheduler.replay(await firstOf(scheduler), { delay: { seconds: 50 } })
    await world.clock.advance({ minutes: 5 })
    expect(seen).toMatchObject([{ scheduledAt: at(10), requestedAt: at(100) }])
    expect(seen[0]?.latenessMs).toBeLessThan(2000)
  })

  it('a replay of a replay keeps the slot of the first original', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world)
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 100 })
    const { id } = await scheduler.replay(await firstOf(scheduler))
    await world.clock.advance({ seconds: 100 })
    repair()
    await scheduler.replay(id)
    await world.clock.advance({ seconds: 1 })
    expect(seen).toMatchObject([{ scheduledAt: at(10), requestedAt: at(200) }])
  })

  it('a replay of a trigger keeps the instant of the trigger', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world, { until: 0 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 30 })
    const { id } = await scheduler.trigger('daily')
    await world.clock.advance({ seconds: 30 })
    expect(seen).toMatchObject([{ scheduledAt: at(30), requestedAt: at(30) }])
    repair()
    await scheduler.replay(id)
    await world.clock.advance({ seconds: 1 })
    expect(seen).toMatchObject([{ scheduledAt: at(30), requestedAt: at(60) }])
  })

  it('a replay of a backfill run keeps the slot of that run', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world)
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 100 })
    await scheduler.backfill('daily', { from: at(0), to: at(11), which: 'failed' })
    await world.clock.advance({ seconds: 100 })
    const { items } = await scheduler.occurrences({ job: 'daily' })
    const run = items.find(({ backfill }) => backfill !== null)
    expect(run).toMatchObject({ slot: at(10), state: 'failed' })
    repair()
    await scheduler.replay(run?.id as OccurrenceId)
    await world.clock.advance({ seconds: 1 })
    expect(seen).toMatchObject([{ scheduledAt: at(10), requestedAt: at(200) }])
  })

  it('a replay of a recovery run that covers five missed slots covers the same five slots', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world, { until: 50, recoveryStrategy: 'compressed' })
    const first = await world.start({ jobs: [job] })
    await world.shutdown(first)
    await world.clock.advance({ minutes: 5 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 1 })
    const span = { from: at(10), to: at(50), count: 5 }
    expect(seen).toMatchObject([{ scheduledAt: at(50), requestedAt: null, span }])
    repair()
    await scheduler.replay(await firstOf(scheduler))
    await world.clock.advance({ seconds: 1 })
    expect(seen).toMatchObject([{ scheduledAt: at(50), span, latenessMs: 0 }])
  })

  it('queued replays run in the order of their requests, regardless of their slots', async () => {
    const world = createWorld(place)
    const { job, seen, repair } = failing(world, { until: 20 })
    const scheduler = await world.start({ jobs: [job], maxConcurrentJobs: 1 })
    await world.clock.advance({ seconds: 100 })
    const { items } = await scheduler.occurrences({ job: 'daily' })
    repair()
    for (const { id } of [...items].reverse()) {
      await scheduler.replay(id)
      await world.clock.advance({ seconds: 1 })
    }
    expect(seen.map(({ scheduledAt }) => scheduledAt)).toEqual([at(20), at(10)])
  })

  it('lists, events and reports of a replay contain the slot of the original and the instant of the replay', async () => {
    const world = createWorld(place)
    const { job, repair } = failing(world)
    const scheduler = await world.start({ jobs: [job] })
    const started = listen(scheduler, 'occurrence.started')
    const finished = listen(scheduler, 'occurrence.finished')
    await world.clock.advance({ minutes: 10 })
    const original = await firstOf(scheduler)
    repair()
    const { id } = await scheduler.replay(original)
    await world.clock.advance({ seconds: 1 })
    expect(await scheduler.occurrence(id)).toMatchObject({ scheduledAt: at(600), slot: at(10), replayOf: original })
    expect(await scheduler.occurrence(original)).toMatchObject({ scheduledAt: at(10), slot: null })
    expect(started.at(-1)?.event).toMatchObject({ scheduledAt: at(600), latenessMs: 0 })
    expect(finished.at(-1)?.event.report.scheduledAt).toEqual(at(10))
  })
})
