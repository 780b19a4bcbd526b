import {
  createScheduler,
  defineJob,
  type Job,
  jobId,
  type Scheduler,
  type SchedulerOptions,
  silentLogger,
} from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { memory } from '../support/places.ts'
import { at, createWorld, fates, startMs } from '../support/world.ts'

const job = (name: string): Job =>
  defineJob({ name, schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })

const raw = { name: 'raw', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] }
const storage = memoryStorage()
const long = 'x'.repeat(256)

describe('createScheduler rejects', () => {
  it.each<[what: string, options: Record<string, unknown>, code: string, field: string, value: unknown]>([
    ['no storage', { storage: undefined }, 'INVALID_ARGUMENT', 'storage', undefined],
    ['a storage that is null', { storage: null }, 'INVALID_ARGUMENT', 'storage', null],
    ['a storage that is a path', { storage: 'jobs.db' }, 'INVALID_ARGUMENT', 'storage', 'jobs.db'],
    [
      'a storage of another protocol',
      { storage: { specVersion: 2 } },
      'INVALID_ARGUMENT',
      'storage',
      { specVersion: 2 },
    ],
    ['a job twice', { jobs: [job('a'), job('b'), job('a')] }, 'DUPLICATE_JOB', 'jobs[2].name', 'a'],
    ['jobs that are not an array', { jobs: job('a') }, 'INVALID_ARGUMENT', 'jobs', expect.anything()],
    ['a job that was not defined', { jobs: [job('a'), raw] }, 'INVALID_ARGUMENT', 'jobs[1]', raw],
    ['a job that is null', { jobs: [null] }, 'INVALID_ARGUMENT', 'jobs[0]', null],
    ['an empty node id', { nodeId: '' }, 'INVALID_NAME', 'nodeId', ''],
    ['a node id that is too long', { nodeId: long }, 'INVALID_NAME', 'nodeId', long],
    ['no permit', { maxConcurrentJobs: 0 }, 'INVALID_ARGUMENT', 'maxConcurrentJobs', 0],
    ['half a permit', { maxConcurrentJobs: 0.5 }, 'INVALID_ARGUMENT', 'maxConcurrentJobs', 0.5],
    ['a negative prefetch', { prefetch: -1 }, 'INVALID_ARGUMENT', 'prefetch', -1],
    ['a fractional prefetch', { prefetch: 0.5 }, 'INVALID_ARGUMENT', 'prefetch', 0.5],
    ['a prefetch above 10,000', { prefetch: 10_001 }, 'INVALID_ARGUMENT', 'prefetch', 10_001],
    ['a prefetch that is text', { prefetch: 'many' }, 'INVALID_ARGUMENT', 'prefetch', 'many'],
    ['a poll interval of 0', { pollInterval: 0 }, 'INVALID_DURATION', 'pollInterval', 0],
    ['a bad default', { defaults: { overlapPolicy: 'no' } }, 'INVALID_ARGUMENT', 'defaults.overlapPolicy', 'no'],
    ['an unknown default', { defaults: { retries: 3 } }, 'UNKNOWN_OPTION', 'defaults.retries', 3],
    ['defaults that are not an object', { defaults: 5 }, 'INVALID_ARGUMENT', 'defaults', 5],
    ['an unknown option', { concurrency: 5 }, 'UNKNOWN_OPTION', 'concurrency', 5],
    ['handlers that are a list', { handlers: [] }, 'INVALID_ARGUMENT', 'handlers', []],
    ['handlers that are a Map', { handlers: new Map() }, 'INVALID_ARGUMENT', 'handlers', new Map()],
    ['a handler that is not a function', { handlers: { mail: 5 } }, 'INVALID_ARGUMENT', 'handlers.mail', 5],
    ['an unknown signal', { handleSignals: ['SIGFOO'] }, 'INVALID_ARGUMENT', 'handleSignals[0]', 'SIGFOO'],
    ['a logger without methods', { logger: {} }, 'INVALID_ARGUMENT', 'logger', {}],
    ['metrics without methods', { metrics: {} }, 'INVALID_ARGUMENT', 'metrics', {}],
    ['a clock without methods', { clock: {} }, 'INVALID_ARGUMENT', 'clock', {}],
    ['schedule types that are strings', { scheduleTypes: ['every'] }, 'INVALID_ARGUMENT', 'scheduleTypes[0]', 'every'],
  ])('invalid options: %s', (_, options, code, field, value) => {
    const make = () => createScheduler({ storage, ...options } as unknown as SchedulerOptions)
    expect(make).toThrow(expect.objectContaining({ code, field, value, remedy: expect.any(String) }))
  })

  it('invalid options: a text instead of a boolean, with both accepted forms as the remedy', () => {
    const make = () => createScheduler({ storage, handleSignals: 'true' } as unknown as SchedulerOptions)
    const remedy = expect.stringContaining('true, false or a list')
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'handleSignals', remedy }))
  })

  it.each([undefined, null, 'storage', []])('options that are not an object: %j', (options) => {
    expect(() => createScheduler(options as unknown as SchedulerOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('a scheduler rejects', () => {
  it.each<[what: string, filter: unknown, code: string, field: string]>([
    ['a filter without a job', {}, 'INVALID_NAME', 'filter.job'],
    ['a job that is not a name', { job: 5 }, 'INVALID_NAME', 'filter.job'],
    ['a missing filter', undefined, 'INVALID_ARGUMENT', 'filter'],
    ['an unknown member', { job: 'a', state: 'failed' }, 'UNKNOWN_OPTION', 'filter.state'],
    ['a `from` that is not an instant', { job: 'a', from: 'soon' }, 'INVALID_INSTANT', 'filter.from'],
    ['a `to` that is not an instant', { job: 'a', to: Number.NaN }, 'INVALID_INSTANT', 'filter.to'],
    ['a limit of 0', { job: 'a', limit: 0 }, 'INVALID_ARGUMENT', 'filter.limit'],
    ['a fractional limit', { job: 'a', limit: 0.5 }, 'INVALID_ARGUMENT', 'filter.limit'],
    ['an unknown order', { job: 'a', order: 'random' }, 'INVALID_ARGUMENT', 'filter.order'],
    ['an unknown state', { job: 'a', states: ['done'] }, 'INVALID_ARGUMENT', 'filter.states[0]'],
    ['states that are not an array', { job: 'a', states: 'failed' }, 'INVALID_ARGUMENT', 'filter.states'],
  ])('an invalid filter: %s', async (_, filter, code, field) => {
    const scheduler = await createWorld(memory).start({ jobs: [job('a')] })
    await expect(scheduler.occurrences(filter as never)).rejects.toMatchObject({ code, field })
  })

  it('`nextRuns` with an unknown job or with a count of 0', async () => {
    const scheduler = await createWorld(memory).start({ jobs: [job('a')] })
    await expect(scheduler.nextRuns('b')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND', value: 'b' })
    await expect(scheduler.nextRuns('a', 0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'count' })
  })

  it('a listener that is not a function', async () => {
    const scheduler = await createWorld(memory).start()
    expect(() => scheduler.on('scheduler.started', 'log' as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'listener' }),
    )
    expect(() => scheduler.on('scheduler.started', undefined as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'listener' }),
    )
  })
})

it('a call that rejects because of its arguments changes no stored record', async () => {
  const world = createWorld(memory)
  const scheduler = await world.start({ jobs: [job('a')] })
  await world.clock.advance({ seconds: 10 })
  const before = await fates(scheduler, 'a')
  const attempts = [
    () => scheduler.trigger('a', { data: 5n }),
    () => scheduler.trigger('b'),
    () => scheduler.occurrences({ job: 'a', limit: 0 }),
    () => scheduler.update('a', { overlapPolicy: 'no' as never }),
    () => scheduler.pause('b'),
    () => scheduler.prune({ olderThan: -1 }),
  ]
  for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: expect.any(String) })
  expect(await fates(scheduler, 'a')).toEqual(before)
  await world.clock.advance({ seconds: 10 })
  expect(await fates(scheduler, 'a')).toEqual(['10 completed', '20 completed'])
})

describe('the check of arguments and schedules', () => {
  const running = () => createWorld(memory).start({ jobs: [job('a')] })
  type Call = (scheduler: Scheduler) => unknown
  const call = (method: string, ...passed: readonly unknown[]): Call => {
    return (scheduler) =>
      (Reflect.get(scheduler, method) as (...all: unknown[]) => unknown).apply(scheduler, [...passed])
  }
  const whole = job('a')
  it.each<[what: string, call: Call, code: string, field: string, value: unknown, remedy: RegExp]>([
    ['without a name', call('trigger'), 'INVALID_NAME', 'name', undefined, /string/],
    ['with the job instead of its name', call('pause', whole), 'INVALID_NAME', 'name', whole, /Pass its name, "a"/],
    ['of isRunning without a name', call('isRunning'), 'INVALID_NAME', 'name', undefined, /string/],
    ['of isRunning with a job', call('isRunning', whole), 'INVALID_NAME', 'name', whole, /Pass its name, "a"/],
    ['for a plan without an owner', call('plan', []), 'INVALID_ARGUMENT', 'options', undefined, /owner/],
    ['for a plan of no array', call('plan', whole, { owner: 'a' }), 'INVALID_ARGUMENT', 'jobs', whole, /array/],
    [
      'for a plan of a plain object',
      call('plan', [raw], { owner: 'a' }),
      'INVALID_ARGUMENT',
      'jobs[0]',
      raw,
      /defineJob/,
    ],
    ['to apply an empty object', call('apply', {}), 'INVALID_NAME', 'plan.owner', undefined, /plan\(\)/],
    ['to apply an incomplete plan', call('apply', { owner: 'a' }), 'INVALID_ARGUMENT', 'plan.jobs', undefined, /array/],
    ['to add an empty object', call('add', {}), 'INVALID_ARGUMENT', 'job', {}, /defineJob/],
    ['to add a plain object', call('add', raw), 'INVALID_ARGUMENT', 'job', raw, /defineJob/],
    ['to cancel without an id', call('cancel'), 'INVALID_NAME', 'occurrenceId', undefined, /id of an occurrence/],
    [
      'for an unknown event',
      call('on', 'started', () => 1),
      'INVALID_ARGUMENT',
      'event',
      'started',
      /scheduler\.started/,
    ],
  ])('rejects a wrong call with the valid argument as remedy: %s', async (_, refused, code, field, value, remedy) => {
    const scheduler = await running()
    const error = await Promise.resolve()
      .then(() => refused(scheduler))
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code, field, remedy: expect.stringMatching(remedy) })
    expect(error).toHaveProperty('value', value)
  })

  it('makes `add` reject a job whose schedule has ended, while `start` only logs a warning', async () => {
    const world = createWorld(memory)
    const ended = () =>
      defineJob({
        name: 'ended',
        schedule: cron('* * * * *', { end: world.clock.now() + 600_000 }),
        tasks: [{ name: 'work', run: () => 1 }],
      })
    const [known, late] = [ended(), { ...ended(), name: 'late', id: jobId('late') }]
    const first = await world.start({ jobs: [known] })
    await world.clock.advance({ hours: 1 })
    const refused = { code: 'SCHEDULE_NEVER_FIRES', field: 'schedule.end', remedy: expect.any(String) }
    await expect(first.add(late)).rejects.toMatchObject(refused)
    const warnings: object[] = []
    const warn = (fields: object, message: string) => warnings.push({ ...fields, message })
    const logger = { ...silentLogger, warn }
    await expect(world.start({ jobs: [known, late], logger })).resolves.toBeDefined()
    expect(warnings).toMatchObject([
      {
        message: 'the schedule has no future instant: the job now runs only on request',
        job: 'late',
        err: refused,
      },
    ])
  })

  describe('a new job whose schedule has no further instant', () => {
    const work = { tasks: [{ name: 'work', handler: 'work' }] }
    const spent: Readonly<Record<string, () => Job['schedule']>> = {
      'an instant 1 ms ago': () => once(startMs - 1),
      'the present instant': () => once(startMs),
      'repetitions that are over': () => iso8601('R3/2020-01-01/P1D'),
      'a year that has passed': () => cron('0 0 0 1 1 ? 2020'),
    }

    it.each(Object.entries(spent))(
      'is rejected by `add`, while `start` only logs a warning: %s',
      async (_, schedule) => {
        const world = createWorld(memory)
        const warnings: object[] = []
        const warn = (fields: object, message: string) => warnings.push({ ...fields, message })
        const logger = { ...silentLogger, warn }
        const one = (name: string) => defineJob({ name, schedule: schedule(), ...work })
        const handlers = { work: () => 1 }
        const scheduler = await world.start({ jobs: [one('given'), job('other')], handlers, logger })
        const refused = {
          code: 'SCHEDULE_NEVER_FIRES',
          field: 'schedule',
          remedy: expect.stringContaining('on request'),
        }
        expect(warnings).toMatchObject([
          {
            message: 'the schedule has no future instant: the job now runs only on request',
            job: 'given',
            err: refused,
          },
        ])
        await expect(scheduler.add(one('added'))).rejects.toMatchObject(refused)
        await expect(scheduler.add([job('good'), one('listed')])).rejects.toMatchObject(refused)
        await scheduler.add(job('removed'))
        await scheduler.remove('removed')
        await expect(scheduler.add(one('removed'))).rejects.toMatchObject(refused)
        const plan = await scheduler.plan([one('planned')], { owner: 'team' })
        await expect(scheduler.apply(plan)).rejects.toMatchObject(refused)
        const { items } = await scheduler.jobs({ limit: 10 })
        expect(items.map(({ name }) => name).toSorted()).toEqual(['given', 'other'])
        await world.clock.advance({ seconds: 10 })
        expect(await fates(scheduler, 'other')).toEqual(['10 completed'])
      },
    )

    it('is rejected, but a stored job is accepted after its last slot, and a job without a schedule is accepted', async () => {
      const world = createWorld(memory)
      const warnings: string[] = []
      const logger = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) }
      const handlers = { work: () => 1 }
      const onRequest = defineJob({ name: 'on request', ...work })
      const launch = defineJob({ name: 'launch', schedule: once(at(5)), ...work })
      const first = await world.start({ jobs: [launch], handlers, logger })
      await first.add(onRequest)
      await world.clock.advance({ seconds: 10 })
      await first.add(launch)
      await world.shutdown(first)
      const second = await world.start({ jobs: [launch, onRequest], handlers, logger })
      await second.add([launch, onRequest])
      expect(await fates(second, 'launch')).toEqual(['5 completed'])
      expect(warnings).toEqual([])
    })

    it('is rejected by `add` even if its last instant passes only while `add` waits for the storage', async () => {
      const world = createWorld(memory)
      const intercepted = new InterceptedStorage(world.connect())
      const scheduler = await world.start({ storage: intercepted.storage, handlers: { work: () => 1 } })
      let release = (): void => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      intercepted.reset()
      intercepted.intercept = async (call) => {
        if (call.operation === 'saveJobs') await held
        return call.proceed()
      }
      const first = scheduler.add(defineJob({ name: 'first', ...work }))
      await expect.poll(() => intercepted.count('saveJobs'), { timeout: 30_000 }).toBe(1)
      const late = scheduler.add(defineJob({ name: 'late', schedule: once(at(2)), ...work })).catch((error) => error)
      await expect.poll(() => intercepted.count('get'), { timeout: 30_000 }).toBe(2)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      const jump = world.clock.jumpTo(at(3))
      release()
      await Promise.all([first, jump])
      expect(await late).toMatchObject({ code: 'SCHEDULE_NEVER_FIRES', field: 'schedule' })
      const { items } = await scheduler.jobs({ limit: 10 })
      expect(items.map(({ name }) => name)).toEqual(['first'])
    })
  })
})
