import { defineJob, type DurationInput, type JobSettingsInput, type TaskContext } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

const tasks = [{ name: 'work', run: () => 1 }]

/** Defines a job with one slot, whose handler sleeps for a day unless its signal is aborted. */
function endless(
  world: World,
  settings: JobSettingsInput = {},
  taskSettings: Pick<JobSettingsInput, 'taskTimeout'> = {},
) {
  const run = ({ signal }: TaskContext) => world.clock.sleep({ days: 1 }, signal)
  return defineJob({
    name: 'endless',
    schedule: everySeconds(10, +at(10)),
    ...settings,
    tasks: [{ name: 'work', run, ...taskSettings }],
  })
}

/** Makes a connection without wake-ups, so that a node finds changes of other nodes only by polling. */
function deaf(world: World): Storage {
  const { subscribe: _, ...storage } = new InterceptedStorage(world.connect()).storage
  return storage
}

describe.each(everywhere)('on the storage $name', (place) => {
  describe('the effective value of a setting', () => {
    /** Returns the seconds after which the node aborted the task of an endless job. */
    async function stoppedAfter(defaults: JobSettingsInput, settings: JobSettingsInput, task: JobSettingsInput) {
      const world = createWorld(place)
      const scheduler = await world.start({ defaults, jobs: [endless(world, settings, task)] })
      await world.clock.advance({ minutes: 6 })
      const [first] = (await onlyOccurrence(scheduler, 'endless')).tasks
      return Number(first?.durationMs) / 1000
    }

    it.each<[level: string, JobSettingsInput, JobSettingsInput, JobSettingsInput, number]>([
      ['the executionTimeout, where no level sets taskTimeout', {}, { executionTimeout: 'PT5M' }, {}, 300],
      ['that of the scheduler, over the built-in default', { taskTimeout: 'PT40S' }, {}, {}, 40],
      ['that of the job, over the scheduler', { taskTimeout: 'PT40S' }, { taskTimeout: 'PT30S' }, {}, 30],
      [
        'that of the task, over the job',
        { taskTimeout: 'PT40S' },
        { taskTimeout: 'PT30S' },
        { taskTimeout: 'PT20S' },
        20,
      ],
      ['that of the task, over the scheduler', { taskTimeout: 'PT40S' }, {}, { taskTimeout: 'PT50S' }, 50],
    ])(
      'is the value at the most specific level that sets this setting: the value is %s',
      async (_, defaults, settings, task, expected) => {
        expect(await stoppedAfter(defaults, settings, task)).toBe(expected)
      },
    )

    it('is the value in the overrides of a trigger, even if task, job and scheduler set other values', async () => {
      const world = createWorld(place)
      const job = defineJob({
        name: 'asked',
        schedule: everySeconds(100_000),
        taskTimeout: 'PT30S',
        tasks: [{ name: 'work', taskTimeout: 'PT20S', run: ({ signal }) => world.clock.sleep({ days: 1 }, signal) }],
      })
      const scheduler = await world.start({ defaults: { taskTimeout: 'PT40S' }, jobs: [job] })
      await scheduler.trigger('asked', { overrides: { taskTimeout: 'PT5S' } })
      await world.clock.advance({ minutes: 1 })
      expect((await onlyOccurrence(scheduler, 'asked')).tasks[0]?.durationMs).toBe(5000)
    })

    it("is the value in the scheduler's defaults, if the job sets no value", async () => {
      const world = createWorld(place)
      const failing = { name: 'first', run: () => Promise.reject(new Error('no')) }
      const slow = { name: 'second', run: ({ signal }: TaskContext) => world.clock.sleep({ hours: 1 }, signal) }
      const job = defineJob({ name: 'job', schedule: everySeconds(10, +at(30)), tasks: [failing, slow] })
      const scheduler = await world.start({
        jobs: [job],
        defaults: {
          taskExecutionMode: 'parallel',
          failureStrategy: 'continue',
          retryPolicy: { maxRetries: 1, retryInterval: { seconds: 2 } },
          executionTimeout: { seconds: 60 },
          overlapPolicy: 'queue',
          maxQueued: 1,
        },
      })
      await world.clock.advance({ minutes: 5 })
      expect(await fates(scheduler, 'job')).toEqual([
        '10 failed execution_timeout',
        '20 failed execution_timeout',
        '30 skipped queue_full',
      ])
      const [{ tasks: reports } = { tasks: [] }] = (await scheduler.occurrences({ job: 'job' })).items
      expect(reports.map((task) => [task.state, task.attempts.length])).toEqual([
        ['failed', 2],
        ['canceled', 1],
      ])
    })

    it("is the value in the scheduler's defaults, also for the recovery of missed slots", async () => {
      const world = createWorld(place)
      const job = defineJob({ name: 'job', schedule: everySeconds(60, +at(300)), tasks })
      const defaults = { recoveryStrategy: 'execute_all', misfireThreshold: { seconds: 5 } } as const
      await world.shutdown(await world.start({ jobs: [job], defaults }))
      await world.clock.advanceTo(at(130))
      const scheduler = await world.start({ jobs: [job], defaults })
      await world.clock.advance({ seconds: 1 })
      const recovered = (await scheduler.occurrences({ job: 'job' })).items
      expect(recovered.map((one) => [secondsOf(one.scheduledAt), one.recovered])).toEqual([
        [60, true],
        [120, true],
      ])
    })

    it("is the value in the scheduler's defaults, also for the rescue of a dead node's runs", async () => {
      const world = createWorld(place)
      const defaults = { onInterrupted: 'retry', maxRescues: 1 } as const
      const job = endless(world)
      for (let life = 0; life < 3; life++) {
        const node = await world.start({ jobs: [job], defaults, nodeId: 'node' })
        await world.clock.advance({ seconds: 15 })
        world.crash(node)
      }
      const last = await world.start({ jobs: [job], defaults, nodeId: 'node' })
      expect(await onlyOccurrence(last, 'endless')).toMatchObject({ state: 'failed_stale', fencingToken: 2 })
    })

    it('does not change for a running occurrence when an update changes the job', async () => {
      const world = createWorld(place)
      const scheduler = await world.start({ jobs: [endless(world, { taskTimeout: 'PT40S' })] })
      await world.clock.advance({ seconds: 15 })
      await scheduler.update('endless', { taskTimeout: 'PT1S' })
      await world.clock.advance({ minutes: 2 })
      expect((await onlyOccurrence(scheduler, 'endless')).tasks[0]?.durationMs).toBe(40_000)
    })
  })

  describe('the effective time zone of a schedule', () => {
    const berlin = { timezone: 'Europe/Berlin' }
    const tokyo = { timezone: 'Asia/Tokyo' }
    const newYork = { timezone: 'America/New_York' }

    it.each<[whose: string, own: object, job: object, defaults: JobSettingsInput, hour: string]>([
      ['UTC if no level sets one', {}, {}, {}, '02:00'],
      ['that of the scheduler', {}, {}, berlin, '01:00'],
      ['that of the job, over the scheduler', {}, newYork, berlin, '07:00'],
      ['its own, over the job', tokyo, newYork, berlin, '17:00'],
      ['its own, over the scheduler', tokyo, {}, berlin, '17:00'],
    ])(
      'comes from the schedule, else the job, else the scheduler, else it is UTC: the time zone is %s',
      async (_, own, settings, defaults, expected) => {
        const world = createWorld(place)
        const ran: string[] = []
        const run = ({ scheduledAt }: TaskContext) => void ran.push(scheduledAt.toISOString().slice(11, 16))
        const job = (name: string, schedule: Parameters<typeof defineJob>[0]['schedule']) =>
          defineJob({ name, schedule, ...settings, tasks: [{ name: 'work', run }] })
        const jobs = [
          job('cron', cron('0 2 * * *', own)),
          job('hashed', cron('H(0-0) 2 * * *', own)),
          job('iso8601', iso8601('R1/2026-01-02T02:00/P1D', own)),
          job('once', once('2026-01-02T02:00', own)),
        ]
        await world.clock.jumpTo('2026-01-01T16:30:00Z')
        const scheduler = await world.start({ jobs, defaults })
        const hours = await Promise.all(
          jobs.map(async ({ name }) => (await scheduler.nextRuns(name, 1))[0]?.toISOString().slice(11, 16)),
        )
        expect(hours).toEqual([expected, expected, expected, expected])
        await world.clock.jumpTo(Number((await scheduler.nextRuns('cron', 1))[0]) - 60_000)
        await world.clock.advance({ seconds: 61 })
        expect(ran).toEqual([expected, expected, expected, expected])
      },
    )

    it('is the time zone of the scheduler for jobs that `add` or `apply` stores while the scheduler runs', async () => {
      const world = createWorld(place)
      const scheduler = await world.start({ defaults: berlin })
      await scheduler.add(defineJob({ name: 'added', schedule: cron('0 2 * * *'), tasks }))
      const planned = defineJob({ name: 'planned', schedule: cron('0 2 * * *'), tasks })
      await scheduler.apply(await scheduler.plan([planned], { owner: 'team' }))
      const expected = [new Date('2026-01-01T01:00:00Z')]
      expect([await scheduler.nextRuns('added', 1), await scheduler.nextRuns('planned', 1)]).toEqual([
        expected,
        expected,
      ])
    })

    it('is the time zone of the job if `update` sets a schedule without a time zone', async () => {
      const world = createWorld(place)
      const job = (name: string, settings: JobSettingsInput) =>
        defineJob({ name, schedule: cron('0 2 * * *'), ...settings, tasks })
      const scheduler = await world.start({ defaults: berlin, jobs: [job('of its own', tokyo), job('of none', {})] })
      await scheduler.update('of its own', { schedule: cron('0 12 * * *') })
      await scheduler.update('of none', { schedule: cron('0 12 * * *') })
      expect(await scheduler.nextRuns('of its own', 1)).toEqual([new Date('2026-01-01T03:00:00Z')])
      expect(await scheduler.nextRuns('of none', 1)).toEqual([new Date('2026-01-01T11:00:00Z')])
      await scheduler.update('of its own', { schedule: cron('0 12 * * *'), timezone: 'America/New_York' })
      expect(await scheduler.nextRuns('of its own', 1)).toEqual([new Date('2026-01-01T17:00:00Z')])
      await expect(scheduler.update('of none', { timezone: 'Asia/Tokyo' })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        field: 'change.timezone',
        value: 'Asia/Tokyo',
      })
    })

    it('is the same after a restart, so that the restart does not change the definition of the job', async () => {
      const world = createWorld(place)
      const job = defineJob({ name: 'job', schedule: cron('0 2 * * *'), tasks })
      await world.shutdown(await world.start({ jobs: [job], defaults: berlin }))
      const second = world.scheduler({ jobs: [job], defaults: berlin })
      const heard = listen(second, 'job.registered')
      await second.start()
      expect(heard.map(({ event }) => [event.change, event.version])).toEqual([['unchanged', 1]])
    })
  })

  describe('without an explicit setting', () => {
    it('an occurrence times out after an hour, even if its task may take longer', async () => {
      const world = createWorld(place)
      const scheduler = await world.start({ jobs: [endless(world, { taskTimeout: { hours: 3 } })] })
      await world.clock.advance({ seconds: 3609 })
      expect(await fates(scheduler, 'endless')).toEqual(['10 running'])
      await world.clock.advance({ seconds: 2 })
      expect(await onlyOccurrence(scheduler, 'endless')).toMatchObject({
        state: 'failed',
        reason: 'execution_timeout',
        finishedAt: at(3610),
      })
    })

    it('a queue with `maxQueued: 1000` holds a thousand occurrences, and later slots are skipped', async () => {
      const world = createWorld(place)
      const run = ({ scheduledAt, signal }: TaskContext) =>
        secondsOf(scheduledAt) === 1 ? world.clock.sleep({ minutes: 30 }, signal) : undefined
      const job = defineJob({
        name: 'busy',
        schedule: everySeconds(1, +at(1003)),
        overlapPolicy: 'queue',
        maxQueued: 1000,
        taskTimeout: { hours: 1 },
        tasks: [{ name: 'work', run }],
      })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 1005 })
      const waiting = await fates(scheduler, 'busy')
      expect(waiting.filter((fate) => fate.endsWith(' queued'))).toHaveLength(1000)
      expect(waiting.slice(-3)).toEqual(['1001 queued', '1002 skipped queue_full', '1003 skipped queue_full'])
      await world.clock.advance({ minutes: 20 })
      expect((await fates(scheduler, 'busy')).filter((fate) => fate.endsWith(' completed'))).toHaveLength(1001)
    })

    it('a slot that is 60 s late runs normally, and a slot that is 61 s late is missed', async () => {
      const world = createWorld(place)
      const job = (name: string, slot: number) => defineJob({ name, schedule: once(at(slot)), tasks })
      const jobs = [job('late', 61), job('too late', 60)]
      await world.shutdown(await world.start({ jobs }))
      await world.clock.advanceTo(+at(121) - 1)
      await world.clock.advance(1)
      const scheduler = await world.start({ jobs })
      await world.clock.advance(0)
      expect(await onlyOccurrence(scheduler, 'late')).toMatchObject({ state: 'completed', recovered: false })
      expect(await onlyOccurrence(scheduler, 'too late')).toMatchObject({ state: 'completed', recovered: true })
    })

    it('a node waits a second before each retry', async () => {
      const world = createWorld(place)
      const run = () => Promise.reject(new Error('no'))
      const settings = { retryPolicy: { maxRetries: 2 }, schedule: once(at(10)) }
      const scheduler = await world.start({
        jobs: [defineJob({ name: 'flaky', ...settings, tasks: [{ name: 'work', run }] })],
      })
      await world.clock.advance({ minutes: 1 })
      const [task] = (await onlyOccurrence(scheduler, 'flaky')).tasks
      expect(task?.attempts.map((attempt) => secondsOf(attempt.startedAt))).toEqual([10, 11, 12])
    })

    it('a node runs at most fifty occurrences at once', async () => {
      const world = createWorld(place)
      const run = () => world.clock.sleep({ seconds: 30 })
      const define = (_: unknown, index: number) =>
        defineJob({ name: `job ${index}`, schedule: once(at(10)), tasks: [{ name: 'work', run }] })
      const jobs = Array.from({ length: 51 }, define)
      const scheduler = await world.start({ jobs })
      await world.clock.advance({ seconds: 15 })
      const states = await Promise.all(jobs.map(async ({ name }) => (await onlyOccurrence(scheduler, name)).state))
      expect(states.filter((state) => state === 'running')).toHaveLength(50)
      expect(states.filter((state) => state === 'pending')).toHaveLength(1)
      await world.clock.advance({ minutes: 2 })
    })

    it('a shutdown waits 25 s for a handler that ignores its signal', async () => {
      const world = createWorld(place)
      const run = () => world.clock.sleep({ hours: 1 })
      const job = defineJob({ name: 'deaf', schedule: once(at(10)), tasks: [{ name: 'work', run }] })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      let stoppedAt = 0
      const stopping = scheduler.shutdown().then(() => {
        stoppedAt = secondsOf(world.clock.now())
      })
      await world.clock.advance({ minutes: 2 })
      await stopping
      expect(stoppedAt).toBe(40)
    })
  })

  describe.each<[string, DurationInput]>([
    ['parts', { minutes: 2 }],
    ['ISO 8601 text', 'PT2M'],
    ['milliseconds', 120_000],
  ])('a duration of two minutes, written as %s,', (_, duration) => {
    it('is accepted as the taskTimeout of the defaults', async () => {
      const world = createWorld(place)
      const scheduler = await world.start({ jobs: [endless(world)], defaults: { taskTimeout: duration } })
      await world.clock.advance({ minutes: 4 })
      expect((await onlyOccurrence(scheduler, 'endless')).tasks[0]?.durationMs).toBe(120_000)
    })

    it('is accepted as the executionTimeout of the defaults', async () => {
      const world = createWorld(place)
      const scheduler = await world.start({ jobs: [endless(world)], defaults: { executionTimeout: duration } })
      await world.clock.advance({ minutes: 4 })
      expect((await onlyOccurrence(scheduler, 'endless')).finishedAt).toEqual(at(130))
    })

    it('is accepted as the misfireThreshold of the defaults', async () => {
      const world = createWorld(place)
      const jobs = [once(at(10)), once(at(9))].map((schedule, index) =>
        defineJob({ name: `${index}`, schedule, tasks }),
      )
      const defaults = { misfireThreshold: duration }
      await world.shutdown(await world.start({ jobs, defaults }))
      await world.clock.advanceTo(at(130))
      const scheduler = await world.start({ jobs, defaults })
      await world.clock.advance(0)
      const recovered = await Promise.all(
        jobs.map(async ({ name }) => (await onlyOccurrence(scheduler, name)).recovered),
      )
      expect(recovered).toEqual([false, true])
    })

    it('is accepted as the retryInterval and maxInterval of the defaults', async () => {
      const world = createWorld(place)
      const job = defineJob({
        name: 'flaky',
        schedule: once(at(10)),
        tasks: [{ name: 'work', run: () => Promise.reject(new Error('no')) }],
      })
      const retryPolicy = { maxRetries: 2, retryInterval: duration, backoffFactor: 10, maxInterval: duration }
      const scheduler = await world.start({ jobs: [job], defaults: { retryPolicy } })
      await world.clock.advance({ minutes: 10 })
      const [task] = (await onlyOccurrence(scheduler, 'flaky')).tasks
      expect(task?.attempts.map((attempt) => secondsOf(attempt.startedAt))).toEqual([10, 130, 250])
    })

    it('is accepted as the maxAge of a bounded_window', async () => {
      const world = createWorld(place)
      const job = defineJob({ name: 'job', schedule: everySeconds(60, +at(300)), tasks })
      const defaults = { recoveryStrategy: { type: 'bounded_window', maxAge: duration } } as const
      await world.shutdown(await world.start({ jobs: [job], defaults }))
      await world.clock.advanceTo(at(400))
      const scheduler = await world.start({ jobs: [job], defaults })
      await world.clock.advance(0)
      expect(await fates(scheduler, 'job')).toEqual(['60-240 (4) missed bounded_window', '300 completed'])
    })

    it('is accepted as the pollInterval', async () => {
      const world = createWorld(place)
      const jobs = [endless(world), defineJob({ name: 'asked', schedule: everySeconds(100_000), tasks })]
      const full = await world.start({ jobs, maxConcurrentJobs: 1 })
      await world.clock.advance({ seconds: 15 })
      await world.start({ jobs, storage: deaf(world), pollInterval: duration })
      await world.clock.advance({ seconds: 30 })
      await full.trigger('asked')
      await world.clock.advance({ seconds: 89 })
      expect(await onlyOccurrence(full, 'asked')).toMatchObject({ state: 'pending' })
      await world.clock.advance({ seconds: 2 })
      expect(await onlyOccurrence(full, 'asked')).toMatchObject({ state: 'completed' })
    })

    it('is accepted as the gracePeriod of a shutdown and the olderThan of prune', async () => {
      const world = createWorld(place)
      const run = () => world.clock.sleep({ hours: 1 })
      const deafJob = defineJob({ name: 'deaf', schedule: once(at(300)), tasks: [{ name: 'work', run }] })
      const job = defineJob({ name: 'job', schedule: everySeconds(60, +at(300)), tasks })
      const scheduler = await world.start({ jobs: [job, deafJob] })
      await world.clock.advance({ seconds: 301 })
      expect(await scheduler.prune({ job: 'job', olderThan: duration })).toBe(3)
      let stoppedAt = 0
      const stopping = scheduler.shutdown({ gracePeriod: duration, abortGracePeriod: duration }).then(() => {
        stoppedAt = secondsOf(world.clock.now())
      })
      await world.clock.advance({ minutes: 5 })
      await stopping
      expect(stoppedAt).toBe(541)
    })
  })
})
