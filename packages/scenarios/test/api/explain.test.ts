import { defineJob, type JobSettingsInput, occurrenceId, type Scheduler, JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every ten seconds. */
function ticking(settings: JobSettingsInput & { until?: number } = {}) {
  const { until = 1000, ...jobSettings } = settings
  const schedule = everySeconds(10, +at(until))
  return defineJob({ name: 'tick', schedule, ...jobSettings, tasks: [{ name: 'work', run: () => undefined }] })
}

/**
 * Returns the verdict of `explain` about each slot, such as `'due'`. A slot with an occurrence also has its state, such as
 * `'recorded completed'`.
 */
function saidOf(scheduler: Scheduler, ...seconds: number[]): Promise<string[]> {
  return Promise.all(
    seconds.map(async (second) => {
      const { verdict, occurrence } = await scheduler.explain('tick', at(second))
      return occurrence === null ? verdict : `${verdict} ${occurrence.state}`
    }),
  )
}

/**
 * Runs a node up to `from`, in seconds after the start of the virtual clock. At `to`, starts another node, which recovers
 * the missed slots.
 */
async function outage(world: World, job: ReturnType<typeof defineJob>, from: number, to: number) {
  const first = await world.start({ jobs: [job] })
  await world.clock.advanceTo(at(from))
  await world.shutdown(first)
  await world.clock.advanceTo(at(to))
  const scheduler = await world.start({ jobs: [job] })
  await world.clock.advance({ seconds: 1 })
  return scheduler
}

describe.each(everywhere)('on the storage $name, `explain`', (place) => {
  it('returns the nearest slots before and after an instant that is not a slot', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [ticking({ until: 100 })] })
    await world.clock.advanceTo(at(45))
    const nearestOf = async (second: number) => (await scheduler.explain('tick', at(second))).nearest
    expect(await nearestOf(25)).toEqual({ before: at(20), after: at(30) })
    expect(await nearestOf(75.5)).toEqual({ before: at(70), after: at(80) })
    expect(await nearestOf(500)).toEqual({ before: at(100), after: null })
    expect([await nearestOf(20), await nearestOf(70)]).toEqual([null, null])
  })

  it('returns the verdict `due` for a slot from its instant until a node has created or skipped the slot', async () => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [ticking()], storage: intercepted.storage })
    intercepted.fail('createOccurrences', 1_000_000, 'before its effect')
    await world.clock.advanceTo(at(20))
    expect(await saidOf(scheduler, 5, 10, 20, 30)).toEqual(['not_a_slot', 'due', 'due', 'will_run'])
    expect(await scheduler.explain('tick', at(10))).toMatchObject({
      at: at(10),
      id: occurrenceId(ticking().id, at(10)),
      reason: 'The slot is due, and no node has decided it yet.',
    })
  })

  it('returns the verdict `covered` for missed slots, and `not_a_slot` for instants between and after them', async () => {
    const world = createWorld(place)
    const job = ticking({ until: 50, recoveryStrategy: 'mark_as_missed' })
    const scheduler = await outage(world, job, 15, 200)
    expect(await fates(scheduler, 'tick')).toEqual(['10 completed', '20-50 (4) missed mark_as_missed'])
    expect(await saidOf(scheduler, 10, 15, 20, 30, 50, 60)).toEqual([
      'recorded completed',
      'not_a_slot',
      'covered missed',
      'covered missed',
      'covered missed',
      'not_a_slot',
    ])
    expect((await scheduler.explain('tick', at(30))).reason).toBe(
      `missed (mark_as_missed), for 4 slots from ${at(20).toISOString()} to ${at(50).toISOString()}`,
    )
  })

  it('returns the verdict `not_a_slot` for an instant after the missed slots', async () => {
    const world = createWorld(place)
    const scheduler = await outage(world, ticking(), 15, 205)
    const [, range] = (await scheduler.occurrences({ job: 'tick', states: ['missed', 'completed'] })).items
    const last = secondsOf(range?.span?.to ?? 0)
    expect(await saidOf(scheduler, last, last + 5, last + 10, last + 15)).toEqual([
      'covered missed',
      'not_a_slot',
      'recorded completed',
      'not_a_slot',
    ])
  })

  it('returns the verdict `covered` for a missed slot even if the recovery run that covers it lies 30 records later or was canceled', async () => {
    const world = createWorld(place)
    const job = ticking({ until: 600, recoveryStrategy: 'compressed', overlapPolicy: 'queue' })
    const first = await world.start({ jobs: [job] })
    // Cancels 30 slots within the span of the recovery run. One read of the storage returns fewer than 30 records, so more
    // than one read is needed to find all of them.
    for (let slot = 100; slot < 400; slot += 10) await first.cancelSlot('tick', at(slot))
    await world.clock.advanceTo(at(15))
    await world.shutdown(first)
    await world.clock.advanceTo(at(1000))
    const intercepted = new InterceptedStorage(world.connect())
    let isDecided = false
    intercepted.intercept = async (call) => {
      if (call.operation === 'createOccurrences') isDecided = true
      if (call.operation === 'claim' && isDecided) throw new Error('It stays where it is.')
      return call.proceed()
    }
    const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
    await world.clock.advance({ seconds: 1 })
    expect(await saidOf(scheduler, 10, 20, 100, 390, 600)).toEqual([
      'recorded completed',
      'covered pending',
      'recorded canceled',
      'recorded canceled',
      'recorded pending',
    ])
    const { occurrence } = await scheduler.explain('tick', at(20))
    await scheduler.cancel(occurrence?.id as never)
    expect(await saidOf(scheduler, 20, 90, 100, 400, 600)).toEqual([
      'covered canceled',
      'covered canceled',
      'recorded canceled',
      'covered canceled',
      'recorded canceled',
    ])
  })

  it('returns the verdict `pruned` only for slots up to the last pruned slot', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [ticking({ until: 100 })] })
    await world.clock.advanceTo(at(105))
    await scheduler.prune({ olderThan: { seconds: 30 }, keep: 0 })
    expect((await fates(scheduler, 'tick'))[0]).toBe('80 completed')
    expect(await saidOf(scheduler, 0, 10, 65, 70, 80, 85)).toEqual([
      'before_creation',
      'pruned',
      'pruned',
      'pruned',
      'recorded completed',
      'not_a_slot',
    ])
  })

  it('returns the verdict `covered` for each slot that a recovery run covers, even if a trigger was stored before the run', async () => {
    const world = createWorld(place)
    const settings = {
      recoveryStrategy: 'compressed',
      misfireThreshold: { seconds: 5 },
      overlapPolicy: 'allow',
    } as const
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [ticking(settings)], storage: intercepted.storage })
    await world.clock.advanceTo(at(15))
    const through = intercepted.intercept
    intercepted.intercept = async (call) => {
      const { items = [] } = call.request as { items?: readonly { kind: string }[] }
      const isSlot = call.operation === 'createOccurrences' && items.some(({ kind }) => kind === 'slot')
      if (isSlot) throw new JobistemerError('STORAGE_BUSY', { message: 'It has too much to do.' })
      return through(call)
    }
    await world.clock.advanceTo(at(55))
    await scheduler.trigger('tick')
    await world.clock.advanceTo(at(84))
    intercepted.intercept = through
    await world.clock.advanceTo(at(95))
    const all = await fates(scheduler, 'tick')
    expect(all).toEqual(['10 completed', '20 completed', '55 completed', '30-80 (6) completed', '90 completed'])
    expect(await saidOf(scheduler, 30, 50, 55, 60, 80)).toEqual([
      'covered completed',
      'covered completed',
      'covered completed',
      'covered completed',
      'recorded completed',
    ])
  })

  it('returns the verdict `pruned` for all past slots of a job without records', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [ticking({ until: 100 })] })
    await world.clock.advanceTo(at(200))
    await scheduler.prune({ olderThan: 0, keep: 0 })
    expect(await saidOf(scheduler, 10, 100)).toEqual(['pruned', 'pruned'])
  })

  it('reads at most three pages of occurrences for an instant before 98 later slots', async () => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [ticking()], storage: intercepted.storage })
    await world.clock.advanceTo(at(1000))
    intercepted.reset()
    expect(await saidOf(scheduler, 15)).toEqual(['not_a_slot'])
    expect(intercepted.calls.map(({ operation }) => operation)).toEqual([
      'get',
      'listOccurrences',
      'listOccurrences',
      'listOccurrences',
    ])
  })
})
