import { defineJob, type JobSettingsInput, type Scheduler, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every ten seconds whose runs take `seconds`. `runs` lists each ended run as `slot: start-end`. */
function slow(world: World, options: { until: number; seconds: number } & JobSettingsInput) {
  const { until, seconds, ...settings } = options
  const runs: string[] = []
  let running = 0
  let most = 0
  const run = async ({ scheduledAt, signal }: TaskContext) => {
    const startedAt = secondsOf(world.clock.now())
    most = Math.max(most, ++running)
    try {
      await world.clock.sleep({ seconds }, signal)
      runs.push(`${secondsOf(scheduledAt)}: ${startedAt}-${secondsOf(world.clock.now())}`)
    } finally {
      running--
    }
  }
  const job = defineJob({
    name: 'slow',
    schedule: everySeconds(10, +at(until)),
    ...settings,
    tasks: [{ name: 'work', run }],
  })
  return { job, runs, most: () => most }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('under the default overlap policy skip, a slot that comes due while the job runs is stored as skipped', async () => {
    const world = createWorld(place)
    const { job, runs } = slow(world, { until: 50, seconds: 25 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(runs).toEqual(['10: 10-35', '40: 40-65'])
    expect(await fates(scheduler, 'slow')).toEqual([
      '10 completed',
      '20 skipped overlap',
      '30 skipped overlap',
      '40 completed',
      '50 skipped overlap',
    ])
  })

  it('under the overlap policy queue, every slot runs, one after another, in the order of the slots', async () => {
    const world = createWorld(place)
    const { job, runs, most } = slow(world, { until: 40, seconds: 25, overlapPolicy: 'queue' })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 35 })
    expect(await fates(scheduler, 'slow')).toEqual(['10 completed', '20 running', '30 queued'])
    await world.clock.advance({ minutes: 3 })
    expect(runs).toEqual(['10: 10-35', '20: 35-60', '30: 60-85', '40: 85-110'])
    expect(most()).toBe(1)
  })

  it('under the overlap policy queue, a slot beyond maxQueued is skipped with the reason queue_full', async () => {
    const world = createWorld(place)
    const { job, runs } = slow(world, { until: 50, seconds: 100, overlapPolicy: 'queue', maxQueued: 2 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 10 })
    expect(runs).toEqual(['10: 10-110', '20: 110-210', '30: 210-310'])
    expect((await fates(scheduler, 'slow')).slice(3)).toEqual(['40 skipped queue_full', '50 skipped queue_full'])
  })

  it('under the overlap policy queue_one, a new slot cancels the queued slot and takes its position in the queue', async () => {
    const world = createWorld(place)
    const { job, runs } = slow(world, { until: 40, seconds: 35, overlapPolicy: 'queue_one' })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 3 })
    expect(runs).toEqual(['10: 10-45', '40: 45-80'])
    expect(await fates(scheduler, 'slow')).toEqual([
      '10 completed',
      '20 canceled displaced',
      '30 canceled displaced',
      '40 completed',
    ])
  })

  it('under the overlap policy allow, the runs of a job overlap', async () => {
    const world = createWorld(place)
    const { job, runs, most } = slow(world, { until: 30, seconds: 25, overlapPolicy: 'allow' })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(runs).toEqual(['10: 10-35', '20: 20-45', '30: 30-55'])
    expect(most()).toBe(3)
  })

  it('under the overlap policy cancel_running, a new slot aborts the active run, and starts when that run has ended', async () => {
    const world = createWorld(place)
    const { job, runs, most } = slow(world, { until: 30, seconds: 25, overlapPolicy: 'cancel_running' })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(runs).toEqual(['30: 30-55'])
    expect(await fates(scheduler, 'slow')).toEqual(['10 canceled displaced', '20 canceled displaced', '30 completed'])
    expect(most()).toBe(1)
  })

  it('under the overlap policy cancel_running, a run that ignores its signal is abandoned after 5 s, and the new slot starts', async () => {
    const world = createWorld(place)
    const startedAt: number[] = []
    const job = defineJob({
      name: 'deaf',
      schedule: everySeconds(10, +at(20)),
      overlapPolicy: 'cancel_running',
      tasks: [
        {
          name: 'work',
          run: () => {
            startedAt.push(secondsOf(world.clock.now()))
            return world.clock.sleep({ seconds: 60 })
          },
        },
      ],
    })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 3 })
    expect(startedAt).toEqual([10, 25])
    expect(await fates(scheduler, 'deaf')).toEqual(['10 canceled displaced', '20 completed'])
  })

  it('under the overlap policy cancel_running, a new slot aborts the active run of another node', async () => {
    const world = createWorld(place)
    const { job, runs } = slow(world, { until: 20, seconds: 60, overlapPolicy: 'cancel_running' })
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    await world.clock.advance({ seconds: 15 })
    await world.start({ jobs: [job], nodeId: 'second' })
    await world.clock.advance({ minutes: 3 })
    expect(runs).toHaveLength(1)
    expect(await fates(first, 'slow')).toEqual(['10 canceled displaced', '20 completed'])
  })

  it.each(['skip', 'queue', 'queue_one', 'cancel_running'] as const)(
    'under the overlap policy %s, the runs of a job on three nodes never overlap',
    async (overlapPolicy) => {
      const world = createWorld(place)
      const { job, most } = slow(world, { until: 200, seconds: 13, overlapPolicy })
      for (const nodeId of ['a', 'b', 'c']) await world.start({ jobs: [job], nodeId })
      await world.clock.advance({ minutes: 6 })
      expect(most()).toBe(1)
    },
  )

  it('`isRunning` returns true on every node while an occurrence of the job runs', async () => {
    const world = createWorld(place)
    const { job } = slow(world, { until: 10, seconds: 20 })
    const first = await world.start({ jobs: [job] })
    const second = await world.start({ jobs: [job] })
    const running = async () => [await first.isRunning('slow'), await second.isRunning('slow')]
    expect(await running()).toEqual([false, false])
    await world.clock.advance({ seconds: 15 })
    expect(await running()).toEqual([true, true])
    await world.clock.advance({ seconds: 20 })
    expect(await running()).toEqual([false, false])
  })

  it('with a maxConcurrency of 3, four nodes together run three slots at once, and later slots start in their order', async () => {
    const world = createWorld(place)
    const { job, runs, most } = slow(world, { until: 60, seconds: 35, overlapPolicy: 'queue', maxConcurrency: 3 })
    const nodes = []
    for (let count = 0; count < 4; count++) nodes.push(await world.start({ jobs: [job] }))
    await world.clock.advance({ minutes: 3 })
    expect(most()).toBe(3)
    expect(runs).toEqual(['10: 10-45', '20: 20-55', '30: 30-65', '40: 45-80', '50: 55-90', '60: 65-100'])
    const [node] = nodes
    expect(await fates(node as Scheduler, 'slow')).toEqual([10, 20, 30, 40, 50, 60].map((slot) => `${slot} completed`))
  })

  it('with a maxConcurrency of 2, queued slots start after two runs of a dead node are taken over', async () => {
    const world = createWorld(place)
    const settings = {
      until: 40,
      seconds: 200,
      overlapPolicy: 'queue',
      maxConcurrency: 2,
      onInterrupted: 'fail',
    } as const
    const { job, runs, most } = slow(world, settings)
    const first = await world.start({ jobs: [job], deadAfter: { seconds: 30 } })
    await world.clock.advance({ seconds: 35 })
    world.crash(first)
    const second = await world.start({ jobs: [job], deadAfter: { seconds: 30 } })
    await world.clock.advance({ minutes: 20 })
    // The dead node ran the slots 10 and 20. Until the takeover, these two runs held both places of the job, so the slots 30
    // and 40 were queued.
    expect(await fates(second, 'slow')).toEqual([
      '10 failed_stale node_lost',
      '20 failed_stale node_lost',
      '30 completed',
      '40 completed',
    ])
    expect(runs.filter((line) => /^[34]0:/.test(line))).toHaveLength(2)
    expect(most()).toBeLessThanOrEqual(4)
  })
})
