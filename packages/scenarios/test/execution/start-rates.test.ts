import { defineJob, type JobSettingsInput, type Scheduler, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every ten seconds whose runs take five seconds. `runs` lists each run as `slot at second`. */
function rated(world: World, options: { until: number } & JobSettingsInput) {
  const { until, ...settings } = options
  const runs: string[] = []
  const run = async ({ scheduledAt, signal, backfill }: TaskContext) => {
    const slot = backfill === null ? secondsOf(scheduledAt) : `backfill ${secondsOf(backfill.slot)}`
    runs.push(`${slot} at ${secondsOf(world.clock.now())}`)
    await world.clock.sleep({ seconds: 5 }, signal)
  }
  const job = defineJob({
    name: 'rated',
    schedule: everySeconds(10, +at(until)),
    overlapPolicy: 'queue',
    maxConcurrency: 5,
    ...settings,
    tasks: [{ name: 'work', run }],
  })
  return { job, runs }
}

const quickDeaths = { deadAfter: { seconds: 30 } }

describe.each(everywhere)('on the storage $name, under a start rate', (place) => {
  it('at most `limit` runs start in any interval on all nodes together, and they start in the order of their slots', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, { until: 60, startRate: { limit: 2, interval: { seconds: 45 } } })
    const nodes: Scheduler[] = []
    for (let count = 0; count < 3; count++) nodes.push(await world.start({ jobs: [job] }))
    await world.clock.advance({ minutes: 4 })
    expect(runs).toEqual(['10 at 10', '20 at 20', '30 at 55', '40 at 65', '50 at 100', '60 at 110'])
    const slots = [10, 20, 30, 40, 50, 60]
    expect(await fates(nodes[0] as Scheduler, 'rated')).toEqual(slots.map((slot) => `${slot} completed`))
  })

  it('a run that a start rate holds back starts when the rate allows it, even if the node that stored the run has died', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, {
      until: 30,
      maxConcurrency: 1,
      startRate: { limit: 1, interval: { minutes: 1 } },
    })
    const first = await world.start({ jobs: [job], ...quickDeaths })
    await world.clock.advance({ seconds: 35 })
    expect(await fates(first, 'rated')).toEqual(['10 completed', '20 pending start_rate', '30 queued'])
    world.crash(first)
    await world.start({ jobs: [job], ...quickDeaths })
    await world.clock.advance({ minutes: 3 })
    expect(runs).toEqual(['10 at 10', '20 at 70', '30 at 130'])
  })

  it('a trigger counts as a start, and a retry does not', async () => {
    const world = createWorld(place)
    const calls: string[] = []
    const job = defineJob({
      name: 'asked',
      overlapPolicy: 'queue',
      startRate: { limit: 1, interval: { minutes: 1 } },
      retryPolicy: { maxRetries: 2, retryInterval: { seconds: 5 } },
      tasks: [
        {
          name: 'work',
          run({ attempt }) {
            calls.push(`${secondsOf(world.clock.now())} ${attempt}`)
            if (attempt < 3) throw new Error('not yet')
          },
        },
      ],
    })
    const node = await world.start({ jobs: [job] })
    for (let count = 0; count < 2; count++) await node.trigger('asked')
    await world.clock.advance({ minutes: 2 })
    expect(calls).toEqual(['0 1', '5 2', '10 3', '60 1', '65 2', '70 3'])
  })

  it('a run that is released at a shutdown starts again when the rate allows it', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, { until: 10, startRate: { limit: 1, interval: { minutes: 1 } } })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(first)
    const second = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 30 })
    expect(await fates(second, 'rated')).toEqual(['10 pending start_rate'])
    await world.clock.advance({ minutes: 2 })
    expect(runs).toEqual(['10 at 10', '10 at 70'])
    expect(await fates(second, 'rated')).toEqual(['10 completed'])
  })

  it('the starts of slots and the starts of backfill runs count together', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, { until: 10, startRate: { limit: 1, interval: { seconds: 20 } } })
    const node = await world.start({ jobs: [job] })
    await node.backfill('rated', { from: at(-30), to: at(0), key: 'k' })
    await world.clock.advance({ minutes: 2 })
    const started = runs.map((run) => run.replace(/\.\d+$/, ''))
    expect(started).toEqual(['backfill -30 at 0', '10 at 20', 'backfill -20 at 40', 'backfill -10 at 60'])
  })

  it('recovered slots start no faster than the rate allows', async () => {
    const world = createWorld(place)
    const settings = { recoveryStrategy: 'execute_all', misfireThreshold: { seconds: 5 } } as const
    const { job, runs } = rated(world, { until: 40, startRate: { limit: 2, interval: { minutes: 1 } }, ...settings })
    const first = await world.start({ jobs: [job] })
    await world.shutdown(first)
    await world.clock.advance({ seconds: 100 })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(runs).toEqual(['10 at 100', '20 at 100', '30 at 160', '40 at 160'])
  })

  it('`runDue` starts only the number of runs that the rate allows, and returns the instant of the next start', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, { until: 30, startRate: { limit: 2, interval: { seconds: 100 } } })
    const callOnce = async (seconds: number) => {
      const called = world.scheduler({ jobs: [job] }).runDue({ budget: 20_000 })
      await world.clock.advance({ seconds })
      return await called
    }
    await callOnce(1)
    await world.clock.advance({ seconds: 40 })
    const report = await callOnce(60)
    expect(runs).toEqual(['10 at 41', '20 at 41'])
    expect(report.nextAt).toEqual(at(141))
    await world.clock.advance({ seconds: 40 })
    expect((await callOnce(10)).nextAt).toBeNull()
    expect(runs).toEqual(['10 at 41', '20 at 41', '30 at 141'])
  })

  it('a changed start rate also applies to pending runs; after a change to `unlimited`, all pending runs start', async () => {
    const world = createWorld(place)
    const { job, runs } = rated(world, { until: 60, startRate: { limit: 1, interval: { hours: 1 } } })
    const node = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 25 })
    await node.update('rated', { startRate: { limit: 1, interval: { seconds: 30 } } }, { waiting: 'keep' })
    await world.clock.advance({ seconds: 40 })
    expect(runs).toEqual(['10 at 10', '20 at 40'])
    await node.update('rated', { startRate: 'unlimited' }, { waiting: 'keep' })
    await world.clock.advance({ seconds: 20 })
    expect(runs.map((run) => run.split(' ')[0])).toEqual(['10', '20', '30', '40', '50', '60'])
    expect(await fates(node, 'rated')).toHaveLength(6)
  })
})

describe('a start rate', () => {
  it.each(['allow', 'cancel_running'] as const)(
    'is rejected under the overlap policy %s, because no run waits under this policy',
    async (overlapPolicy) => {
      const world = createWorld()
      const refusal = {
        code: 'INVALID_ARGUMENT',
        field: 'startRate',
        message: expect.stringContaining(`has no meaning under the overlap policy "${overlapPolicy}"`),
      }
      const rate = { until: 10, maxConcurrency: 1, startRate: { limit: 1, interval: 1000 } }
      expect(() => rated(world, { ...rate, overlapPolicy })).toThrow(expect.objectContaining(refusal))
      // The overlap policy of this job comes from the defaults of the scheduler, which `defineJob` does not know. So only
      // `start` rejects the job.
      const job = defineJob({ name: 'rated', startRate: rate.startRate, tasks: [{ name: 'work', run: () => {} }] })
      const scheduler = world.scheduler({ jobs: [job], defaults: { overlapPolicy } })
      await expect(scheduler.start()).rejects.toMatchObject(refusal)
    },
  )

  it('with a limit above 100 is rejected, and the error proposes a valid rate', () => {
    const world = createWorld()
    const make = () => rated(world, { until: 10, startRate: { limit: 101, interval: { minutes: 1 } } })
    expect(make).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        field: 'startRate.limit',
        value: 101,
        remedy: expect.stringContaining('Divide both'),
      }),
    )
  })
})
