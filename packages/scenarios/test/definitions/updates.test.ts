import { defineJob, type Job, type JobSettingsInput, type TaskContext, type UpdatePolicy } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every twenty seconds up to 200 s, which records the slots that ran. */
function ticking(world: World, settings: JobSettingsInput & { takes?: number } = {}) {
  const { takes = 0, ...jobSettings } = settings
  const ran: number[] = []
  const run = async ({ scheduledAt, signal }: TaskContext) => {
    ran.push(secondsOf(scheduledAt))
    if (takes > 0) await world.clock.sleep({ seconds: takes }, signal)
  }
  const tasks = [{ name: 'work', run }]
  return { ran, job: defineJob({ name: 'tick', schedule: everySeconds(20, +at(200)), ...jobSettings, tasks }) }
}

const byFifteen = everySeconds(15, +at(200))

describe.each(everywhere)('on the storage $name', (place) => {
  describe("an update of a job's schedule at second 50", () => {
    it.each<[title: string, policy: UpdatePolicy | undefined, slots: number[]]>([
      ['applies at once by default', undefined, [60, 75, 90, 105, 120, 135, 150, 165, 180, 195]],
      ['applies at once when it is immediate', 'immediate', [60, 75, 90, 105, 120, 135, 150, 165, 180, 195]],
      [
        'leaves the next slot to the old schedule when it is graceful',
        'graceful',
        [60, 75, 90, 105, 120, 135, 150, 165, 180, 195],
      ],
      [
        'leaves the slots up to an instant to the old schedule when it is graceful until then',
        { type: 'graceful', until: at(100) },
        [60, 80, 100, 105, 120, 135, 150, 165, 180, 195],
      ],
      [
        'applies only inside its window when it is windowed',
        { type: 'windowed', from: at(90), to: at(135) },
        [60, 80, 90, 105, 120, 135, 140, 160, 180, 200],
      ],
      [
        'applies from the present on when its window began earlier',
        { type: 'windowed', from: at(0), to: at(105) },
        [60, 75, 90, 105, 120, 140, 160, 180, 200],
      ],
    ])('takes effect at the instant that its update policy says: it %s', async (_, policy, expected) => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const first = await world.start({ jobs: [job] })
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 50 })
      await first.update('tick', { schedule: byFifteen }, policy === undefined ? {} : { policy })
      await world.clock.advance({ minutes: 5 })
      expect(ran).toEqual([20, 40, ...expected])
    })

    it('with `graceful` until an instant keeps the old schedule up to this instant, even for missed slots', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { recoveryStrategy: 'execute_all', overlapPolicy: 'queue' })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 50 })
      await first.update('tick', { schedule: byFifteen }, { policy: { type: 'graceful', until: at(100) } })
      await world.shutdown(first)
      await world.clock.advanceTo(at(300))
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 10 })
      expect(ran).toEqual([20, 40, 60, 80, 100, 105, 120, 135, 150, 165, 180, 195])
    })
  })

  it('an update without a schedule rejects a policy, which would have no effect', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [ticking(world).job] })
    const later = scheduler.update('tick', { priority: 5 }, { policy: { type: 'graceful', until: at(100) } })
    const value = { type: 'graceful', until: at(100) }
    await expect(later).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'policy', value })
    expect(await scheduler.job('tick')).toMatchObject({ version: 1 })
  })

  it('an update to a schedule without a future instant leaves a warning in the log', async () => {
    const world = createWorld(place)
    const { logger, loud } = collectingLogger()
    const scheduler = await world.start({ jobs: [ticking(world).job], logger })
    await world.clock.advance({ seconds: 50 })
    const ended = everySeconds(20, +at(30))
    await scheduler.update('tick', { schedule: ended }, { policy: { type: 'graceful', until: at(100) } })
    expect([loud(), (await scheduler.nextRuns('tick', 1))[0]]).toEqual([[], at(60)])
    await scheduler.update('tick', { schedule: everySeconds(20, +at(35)) })
    expect(loud()).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: 'the schedule has no future instant: the job now runs only on request',
        job: 'tick',
      }),
    )
  })

  describe("an update of a job's tasks", () => {
    /** Makes a job of three tasks that log the slot, the job version and the task name of each call. */
    function chain(world: World): { job: Job; log: string[] } {
      const log: string[] = []
      const task = (name: string) => ({
        name,
        run: async ({ scheduledAt, job }: TaskContext) => {
          log.push(`${secondsOf(scheduledAt)} v${job.version} ${name}`)
          await world.clock.sleep({ seconds: 2 })
        },
      })
      return { log, job: defineJob({ name: 'tick', schedule: everySeconds(20), tasks: ['a', 'b', 'c'].map(task) }) }
    }

    it('removes and reorders tasks from the next occurrence on, and does not change the running occurrence', async () => {
      const world = createWorld(place)
      const { job, log } = chain(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 21 })
      await scheduler.update('tick', { tasks: [{ name: 'c' }, { name: 'a' }] })
      await world.clock.advance({ seconds: 25 })
      expect(log).toEqual(['20 v1 a', '20 v1 b', '20 v1 c', '40 v2 c', '40 v2 a'])
    })

    it('adds a task with a named handler, which nodes with this handler run, and changes another task’s timeout', async () => {
      const world = createWorld(place)
      const { job, log } = chain(world)
      const handlers = { notify: ({ data }: TaskContext) => void log.push(`notifies ${data}`) }
      const scheduler = await world.start({ jobs: [job], handlers })
      await scheduler.update('tick', {
        tasks: [
          { name: 'a', taskTimeout: { seconds: 1 } },
          { name: 'mail', handler: 'notify', data: 'ann', failureStrategy: 'continue' },
        ],
      })
      await world.clock.advance({ seconds: 25 })
      expect(log).toEqual(['20 v2 a', 'notifies ann'])
      const [occurrence] = (await scheduler.occurrences({ job: 'tick' })).items
      expect(occurrence?.tasks.map((task) => [task.name, task.state, task.error?.code])).toEqual([
        ['a', 'failed', 'TASK_TIMEOUT'],
        ['mail', 'completed', undefined],
      ])
    })
  })

  describe('a slot that is queued when its job is updated', () => {
    it('stays queued by default, and runs', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { takes: 50, overlapPolicy: 'queue' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 50 })
      const { canceled } = await scheduler.update('tick', { schedule: everySeconds(20, +at(50)) })
      await world.clock.advance({ minutes: 3 })
      expect(canceled).toEqual([])
      expect(ran).toEqual([20, 40])
    })

    it('is canceled by an update with `waiting: cancel`, while a queued trigger still runs', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { takes: 50, overlapPolicy: 'queue' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 45 })
      await scheduler.trigger('tick')
      await scheduler.update('tick', { schedule: everySeconds(20, +at(50)) }, { waiting: 'cancel' })
      await world.clock.advance({ minutes: 3 })
      expect(ran).toEqual([20, 45])
      expect(await fates(scheduler, 'tick')).toEqual(['20 completed', '40 canceled updated', '45 completed'])
    })
  })

  describe('a paused job', () => {
    it('stays paused when it is updated, and runs by the new definition after its resume', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const scheduler = await world.start({ jobs: [job] })
      await scheduler.pause('tick')
      await scheduler.update('tick', { schedule: byFifteen })
      await world.clock.advance({ seconds: 50 })
      expect(ran).toEqual([])
      await scheduler.resume('tick')
      await world.clock.advance({ seconds: 30 })
      expect(ran).toEqual([60, 75])
    })
  })

  describe("a job that its owner's definitions no longer contain", () => {
    it('keeps firing until a plan that removes the job is applied', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const scheduler = await world.start()
      await scheduler.apply(await scheduler.plan([job], { owner: 'team' }))
      await world.clock.advance({ seconds: 25 })
      const plan = await scheduler.plan([], { owner: 'team' })
      expect(plan.removed.map(({ name, before }) => [name, before[0]])).toEqual([['tick', at(40)]])
      await world.clock.advance({ seconds: 20 })
      await scheduler.apply(await scheduler.plan([], { owner: 'team' }))
      await world.clock.advance({ minutes: 2 })
      expect(ran).toEqual([20, 40])
    })
  })

  describe('a request for a job that is running', () => {
    it.each([
      ['skip', 'skipped', 'overlap', [20]],
      ['queue', 'queued', null, [20, 25]],
      ['queue_one', 'queued', null, [20, 25]],
      ['allow', 'running', null, [20, 25]],
      ['cancel_running', 'queued', null, [20, 25]],
    ] as const)('follows the overlap policy %s: the request is %s', async (overlapPolicy, state, reason, expected) => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { takes: 10, overlapPolicy })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 25 })
      expect(await scheduler.trigger('tick')).toMatchObject({ state, reason })
      await world.clock.advance({ seconds: 14 })
      expect(ran).toEqual(expected)
    })

    it('follows the overlap policy even if it requests a replay', async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { takes: 10 })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 45 })
      const [finished] = (await scheduler.occurrences({ job: 'tick', states: ['completed'] })).items
      const replay = await scheduler.replay(finished?.id as NonNullable<typeof finished>['id'])
      expect(replay).toMatchObject({ state: 'skipped', reason: 'overlap' })
    })
  })
})
