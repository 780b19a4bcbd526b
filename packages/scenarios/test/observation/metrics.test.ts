import { createClient, defineJob, type Metrics, silentLogger, type TaskContext } from '@jobistemer/core'
import { type MetricsCollector, metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

describe.each(everywhere)('on the storage $name', (place) => {
  it('metrics count and measure occurrences, attempts and durations by job, task and outcome', async () => {
    const world = createWorld(place)
    const metrics = metricsCollector()
    const job = defineJob({
      name: 'job',
      schedule: everySeconds(10, +at(40)),
      retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } },
      failureStrategy: 'continue',
      overlapPolicy: 'queue',
      tasks: [
        { name: 'slow', run: () => world.clock.sleep({ seconds: 12 }) },
        { name: 'flaky', run: () => Promise.reject(new Error('no')) },
      ],
    })
    await world.start({ jobs: [job], metrics })
    await world.clock.advance({ seconds: 42 })
    expect(await metrics.readGauges()).toEqual({
      scheduler_jobs_running: 1,
      scheduler_jobs_in_queue: 1,
      scheduler_jobs_paused: 0,
      scheduler_jobs_ahead: 0,
      scheduler_clock_skew_seconds: 0,
      scheduler_nodes: 1,
      scheduler_node_isolated: 0,
      scheduler_clock_unconfirmed: 0,
    })
    await world.clock.advance({ minutes: 2 })
    expect(metrics.counter('scheduler_job_occurrences_total')).toBe(4)
    expect(metrics.counter('scheduler_job_occurrences_total', { status: 'completed_with_errors' })).toBe(4)
    expect(metrics.counter('scheduler_task_attempts_total', { task: 'slow', status: 'succeeded' })).toBe(4)
    expect(metrics.counter('scheduler_task_attempts_total', { task: 'flaky', status: 'failed' })).toBe(8)
    expect(metrics.observations('scheduler_job_execution_duration_seconds')).toEqual([13, 13, 13, 13])
    expect(metrics.observations('scheduler_task_execution_duration_seconds', { task: 'flaky' })).toEqual([1, 1, 1, 1])
    expect(metrics.observations('scheduler_start_lateness_seconds', { job: 'job' })).toEqual([0, 3, 6, 9])
    expect(metrics.observations('scheduler_queue_wait_seconds', { job: 'job' })).toEqual([3, 6, 9])
    expect(metrics.counter('scheduler_recovery_runs_total')).toBe(0)
    expect(metrics.lastSet('scheduler_job_last_success_timestamp_seconds')).toBeNull()
  })

  it('metrics count failed storage calls by operation', async () => {
    const world = createWorld(place)
    const metrics = metricsCollector()
    const intercepted = new InterceptedStorage(world.connect())
    const job = defineJob({ name: 'job', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'work', run: () => 1 }] })
    await world.start({ jobs: [job], metrics, storage: intercepted.storage })
    intercepted.fail('createOccurrences', 3, 'before its effect')
    await world.clock.advance({ seconds: 12 })
    expect(metrics.counter('scheduler_storage_failures_total', { operation: 'createOccurrences' })).toBe(3)
    expect(metrics.counter('scheduler_job_occurrences_total', { status: 'completed' })).toBe(1)
  })

  it('metrics contain the last success of a job, and all nodes remove the series of a removed job', async () => {
    const world = createWorld(place)
    const job = () =>
      defineJob({ name: 'job', schedule: everySeconds(10, +at(40)), tasks: [{ name: 'work', run: () => 1 }] })
    const collectors = [metricsCollector(), metricsCollector()]
    const [first] = await Promise.all(collectors.map((metrics) => world.start({ jobs: [job()], metrics })))
    await world.clock.advance({ seconds: 25 })
    const lastSuccess = 'scheduler_job_last_success_timestamp_seconds'
    const told = collectors.map((metrics) => metrics.lastSet(lastSuccess, { job: 'job' }) ?? 0)
    expect(Math.max(...told)).toBe(+at(20) / 1000)
    await first?.remove('job')
    await world.clock.advance({ seconds: 30 })
    expect(collectors.map((metrics) => metrics.lastSet(lastSuccess))).toEqual([null, null])
    expect(collectors.map((metrics) => metrics.counter('scheduler_job_occurrences_total'))).toEqual([0, 0])
  })

  it('metrics contain no last success of a run that ends after a client removed the job, which the node does not hold', async () => {
    const world = createWorld(place)
    const metrics = metricsCollector()
    const work = ({ sleep }: TaskContext) => sleep({ minutes: 5 })
    const scheduleTypes = [everyType]
    await world.start({ handlers: { work }, scheduleTypes, ...tuned({ heldJobs: 0 }), metrics })
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes, logger: silentLogger })
    const names = Array.from({ length: 5 }, (_, index) => `job ${index}`)
    const tasks = [{ name: 'work', handler: 'work' }]
    await client.add(names.map((name) => defineJob({ name, schedule: everySeconds(3600), tasks })))
    const { id } = await client.trigger('job 0')
    await world.clock.advance({ minutes: 2 })
    await client.remove('job 0')
    const ended = client.waitFor(id)
    let isEnded = false
    void ended.then(() => (isEnded = true))
    while (!isEnded) await world.clock.advance({ seconds: 1 })
    expect((await ended).state).toBe('completed')
    // A node that later reads the removal again removes the counter too.
    expect(metrics.counter('scheduler_job_occurrences_total', { job: 'job 0', status: 'completed' })).toBe(1)
    await world.clock.advance({ minutes: 8 })
    expect(metrics.lastSet('scheduler_job_last_success_timestamp_seconds', { job: 'job 0' })).toBeNull()
  })

  it.each([
    ['before the node detects the loss', true],
    ['after the node has detected the loss', false],
  ])('metrics count a lost attempt once, as lost, if its handler returns %s', async (_, isEarly) => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const [ofFirst, ofSecond] = [metricsCollector(), metricsCollector()]
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const life = { ...tuned({ heartbeat: { seconds: 1 } }), deadAfter: { seconds: 4 } }
    const job = (run: () => unknown) => defineJob({ name: 'job', tasks: [{ name: 'work', run }] })
    const options = { ...life, jobs: [job(() => gate)], storage: intercepted.storage, metrics: ofFirst }
    const first = await world.start(options)
    const told = listen(first, 'attempt.ended', 'occurrence.lost')
    await first.trigger('job')
    await world.clock.advance({ seconds: 2 })
    intercepted.intercept = () => Promise.reject(new Error('away'))
    const second = await world.start({ ...life, jobs: [job(() => 1)], metrics: ofSecond })
    const reaped = listen(second, 'occurrence.reaped')
    await world.clock.advance({ minutes: 1 })
    if (isEarly) open()
    await world.clock.settle()
    intercepted.intercept = ({ proceed }) => proceed()
    await world.clock.advance({ minutes: 1 })
    open()
    await world.clock.advance({ minutes: 1 })
    expect(told.map(({ name }) => name)).toEqual([...(isEarly ? ['attempt.ended'] : []), 'occurrence.lost'])
    expect(reaped).toMatchObject([{ event: { lostTasks: ['work'] } }])
    const attempts = (metrics: MetricsCollector) =>
      (['succeeded', 'lost', 'aborted', 'failed'] as const).map((status) =>
        metrics.counter('scheduler_task_attempts_total', { status }),
      )
    expect([attempts(ofFirst), attempts(ofSecond)]).toEqual([
      [0, 0, 0, 0],
      [1, 1, 0, 0],
    ])
    expect([ofFirst, ofSecond].map((metrics) => metrics.counter('scheduler_losses_total'))).toEqual([1, 0])
    expect([ofFirst, ofSecond].map((metrics) => metrics.counter('scheduler_takeovers_total'))).toEqual([0, 1])
  })

  it('if an update or a removal cancels queued slots, each cancellation emits an event and is counted in metrics', async () => {
    const world = createWorld(place)
    const counted: unknown[] = []
    const metrics: Metrics = {
      ...metricsCollector(),
      // When a job is removed, the collector removes the job's series, which this test needs. So the test records the calls of
      // `increment` itself.
      increment: (name, labels) => void (name === 'scheduler_job_occurrences_total' && counted.push(labels)),
    }
    const jobs = ['updated', 'deleted'].map((name) =>
      defineJob({
        name,
        schedule: everySeconds(10, +at(40)),
        overlapPolicy: 'queue',
        tasks: [{ name: 'work', run: () => world.clock.sleep({ minutes: 10 }) }],
      }),
    )
    const scheduler = await world.start({ jobs, metrics })
    const told = listen(scheduler, 'occurrence.canceled')
    await world.clock.advance({ seconds: 45 })
    await scheduler.update('updated', { schedule: everySeconds(3600) }, { waiting: 'cancel' })
    await scheduler.remove('deleted')
    const slots = [20, 30, 40]
    expect(told.map(({ event }) => [event.jobName, event.reason, secondsOf(event.scheduledAt)])).toEqual(
      ['updated', 'deleted'].flatMap((name) => slots.map((slot) => [name, name, slot])),
    )
    expect(counted).toEqual(['updated', 'deleted'].flatMap((job) => slots.map(() => ({ job, status: 'canceled' }))))
  })

  it('a metrics collector that throws does not disturb the runs', async () => {
    const world = createWorld(place)
    const fail = () => {
      throw new Error('no')
    }
    const metrics = { ...metricsCollector(), increment: fail, observe: fail }
    const job = defineJob({ name: 'job', schedule: everySeconds(10, +at(20)), tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = await world.start({ jobs: [job], metrics })
    await world.clock.advance({ minutes: 1 })
    expect((await scheduler.occurrences({ job: 'job' })).items.map(({ state }) => state)).toEqual([
      'completed',
      'completed',
    ])
  })
})

describe('metricsCollector rejects', () => {
  it.each<[what: string, ask: (metrics: MetricsCollector) => unknown, code: string, field: string]>([
    ['an unknown counter', (metrics) => metrics.counter('runs' as never), 'INVALID_ARGUMENT', 'name'],
    [
      'a histogram as a counter',
      (metrics) => metrics.counter('scheduler_queue_wait_seconds' as never),
      'INVALID_ARGUMENT',
      'name',
    ],
    ['an unknown histogram', (metrics) => metrics.observations('toString' as never), 'INVALID_ARGUMENT', 'name'],
    [
      'an unknown label',
      (metrics) => metrics.counter('scheduler_job_occurrences_total', { state: 'failed' } as never),
      'UNKNOWN_OPTION',
      'labels.state',
    ],
  ])('a read of %s', (_, ask, code, field) => {
    expect(() => ask(metricsCollector())).toThrow(expect.objectContaining({ code, field, remedy: expect.any(String) }))
  })

  it('a read of the gauges before a scheduler uses the collector', async () => {
    await expect(metricsCollector().readGauges()).rejects.toMatchObject({ code: 'SCHEDULER_STATE', field: 'metrics' })
  })
})

describe('metrics whose methods fail', () => {
  const failures: readonly [how: string, fail: () => unknown][] = [
    [
      'throw',
      () => {
        throw new Error('no room left')
      },
    ],
    ['reject', () => Promise.reject(new Error('no room left'))],
  ]

  it.each(failures)('stop no run, and are logged once for each method: they %s', async (_how, fail) => {
    const world = createWorld()
    const lines: string[] = []
    const error = (fields: object, message: string): void => {
      const { method, err } = fields as { method?: string; err: Error }
      lines.push(`${method}: ${err.message}: ${message}`)
    }
    const methods = ['increment', 'observe', 'set', 'removeJob', 'gauges'] as const
    const metrics = Object.fromEntries(methods.map((name) => [name, fail])) as unknown as Metrics
    const job = defineJob({ name: 'job', schedule: everySeconds(10, +at(30)), tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = await world.start({ jobs: [job], metrics, logger: { ...silentLogger, error } })
    const heard = listen(scheduler, 'hook.failed')
    await world.clock.advance({ minutes: 1 })
    expect(await fates(scheduler, 'job')).toEqual(['10 completed', '20 completed', '30 completed'])
    await scheduler.remove('job')
    await world.clock.settle()
    const expected =
      'no room left: a method of metrics failed: metrics may be incomplete; further failures of this method are not logged'
    expect(lines.sort()).toEqual([...methods].sort().map((name) => `${name}: ${expected}`))
    // Each of the three runs causes four failing calls, and the removal causes one. The node emits one event for each failing
    // call. So more than 12 events show that the node continues these calls after the first failures.
    expect(heard.length).toBeGreaterThan(12)
  })
})

it('metrics contain the last success of a job that was removed and added again after its clock was set back', async () => {
  const world = createWorld()
  const metrics = metricsCollector()
  const job = defineJob({ name: 'job', tasks: [{ name: 'work', run: () => 1 }] })
  const scheduler = await world.start({ jobs: [job], metrics })
  await scheduler.remove('job')
  await world.clock.jumpTo(at(-3600))
  await world.clock.advance({ minutes: 3 })
  await scheduler.add(job)
  await scheduler.trigger('job')
  await world.clock.advance({ minutes: 1 })
  expect(metrics.lastSet('scheduler_job_last_success_timestamp_seconds', { job: 'job' })).toBe(+at(-3420) / 1000)
})
