import {
  createScheduler,
  defineJob,
  JobistemerError,
  type Metrics,
  type Scheduler,
  type SchedulerOptions,
  silentLogger,
} from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import parse from 'parse-prometheus-text-format'
import { AggregatorRegistry, Counter, Registry } from 'prom-client'
import { describe, expect, test, vi } from 'vitest'
import { type PrometheusMetricsOptions, prometheusMetrics } from '../src/index.ts'
import { tuned } from '../../workspace/test-tuning.ts'

interface Sample {
  readonly value?: string
  /**
   * The buckets of a histogram. If a histogram has several label sets, the parser returns the buckets of only one label set.
   */
  readonly buckets?: { readonly '+Inf': string }
  readonly labels?: { readonly status?: string }
}

/** Scrapes the registry, and parses the text with an independent parser. Returns the samples of each metric. */
async function scrape(registry: Registry): Promise<ReadonlyMap<string, readonly Sample[]>> {
  return new Map(parse(await registry.metrics()).map(({ name, metrics }) => [name, metrics]))
}

const sum = (samples: readonly Sample[] = []) =>
  samples.reduce((total, { value, buckets }) => total + Number(value ?? buckets?.['+Inf'] ?? 0), 0)

test('a Prometheus scrape can be parsed, and every metric changes when jobs run', async () => {
  const registry = new Registry()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const storage = memoryStorage()
  const jobs = () => [
    defineJob({
      name: 'report',
      schedule: cron('* * * * *'),
      // With this priority, `report` always starts first. The parser returns the buckets of only one job per histogram, so the
      // order of the starts must not vary.
      priority: 1,
      tasks: [{ name: 'write', run: (context) => clock.sleep({ seconds: 5 }, context.signal) }],
    }),
    defineJob({
      name: 'flaky',
      schedule: cron('* * * * *'),
      tasks: [{ name: 'fail', run: () => Promise.reject(new Error('no')) }],
    }),
    defineJob({ name: 'paused', schedule: cron('* * * * *'), tasks: [{ name: 'rest', run: () => undefined }] }),
  ]
  const first = createScheduler({ storage, jobs: jobs(), clock })
  await first.start()
  await first.pause('paused', { reason: 'test' })
  await first.shutdown()
  await clock.advance({ minutes: 10 })

  await using scheduler = createScheduler({
    storage,
    jobs: jobs(),
    clock,
    maxConcurrentJobs: 1,
    metrics: prometheusMetrics({ registry }),
  })
  await scheduler.start()
  await clock.advance({ seconds: 2 })
  const early = await scrape(registry)
  expect(sum(early.get('scheduler_recovery_runs_total'))).toBe(2)
  expect(sum(early.get('scheduler_jobs_running'))).toBe(1)
  expect(sum(early.get('scheduler_jobs_in_queue'))).toBeGreaterThan(0)
  expect(sum(early.get('scheduler_jobs_paused'))).toBe(1)
  expect(early.has('scheduler_clock_skew_seconds')).toBe(true)

  const claim = vi.spyOn(storage, 'claim').mockRejectedValueOnce(new Error('the storage is away'))
  await clock.advance({ minutes: 3 })
  expect(claim.mock.calls.length).toBeGreaterThan(1)
  const late = await scrape(registry)
  const moving = [
    'scheduler_task_attempts_total',
    'scheduler_job_occurrences_total',
    'scheduler_job_execution_duration_seconds',
    'scheduler_task_execution_duration_seconds',
    'scheduler_start_lateness_seconds',
    'scheduler_queue_wait_seconds',
    'scheduler_storage_failures_total',
    'scheduler_job_last_success_timestamp_seconds',
  ]
  for (const name of moving) expect(sum(late.get(name)), name).toBeGreaterThan(sum(early.get(name)))
  const statuses = new Set(late.get('scheduler_job_occurrences_total')?.map(({ labels }) => labels?.status))
  expect([...statuses].sort()).toEqual(['completed', 'failed', 'missed', 'skipped'])
})

test('the metric scheduler_clock_skew_seconds shows a clock that is 5 min ahead of the storage', async () => {
  const registry = new Registry()
  const storage = Object.assign(memoryStorage(), { serverTime: async () => Date.now() - 300_000 })
  const metrics = prometheusMetrics({ registry })
  await using scheduler = createScheduler({ storage, metrics, ...tuned({ maxClockSkew: { minutes: 10 } }) })
  const before = sum((await scrape(registry)).get('scheduler_clock_skew_seconds'))
  await scheduler.start()
  const after = sum((await scrape(registry)).get('scheduler_clock_skew_seconds'))
  expect(before).toBe(0)
  expect(after).toBeCloseTo(300, 0)
})

describe('if the storage does not answer, a Prometheus scrape shows the metrics that need no storage', () => {
  const ways: readonly [how: string, get: () => Promise<never>][] = [
    ['throws', () => Promise.reject(new Error('away'))],
    [
      'throws at once',
      () => {
        throw new Error('away')
      },
    ],
    ['never answers', () => new Promise(() => {})],
  ]
  test.each(ways)('even when the storage %s', async (_, get) => {
    const registry = new Registry()
    const own = new Counter({ name: 'orders_total', help: 'Of the application.', registers: [registry] })
    own.inc(7)
    const clock = virtualClock('2026-01-01T00:00:00Z')
    // This test leaves storage calls unanswered. With its method `track`, the virtual clock would wait for these calls forever.
    const { track: _track, ...untracked } = clock
    const storage = memoryStorage()
    const metrics = prometheusMetrics({ registry, totalGauges: true })
    const scheduler = createScheduler({ storage, clock: untracked, logger: silentLogger, metrics })
    await scheduler.start()
    expect(await registry.metrics()).toMatch(/^scheduler_jobs_in_queue 0$/m)
    const away = vi.spyOn(storage, 'get').mockImplementation(get)
    const scraping = registry.metrics()
    await clock.advance({ seconds: 2 })
    const text = await scraping
    expect(text).toMatch(/^orders_total 7$/m)
    expect(text).toMatch(/^scheduler_jobs_running 0$/m)
    expect(text).toMatch(/^scheduler_jobs_paused_total 0$/m)
    expect(text).not.toMatch(/^scheduler_jobs_in_queue(_total)? /m)
    away.mockRestore()
    expect(await registry.metrics()).toMatch(/^scheduler_jobs_in_queue_total 0$/m)
    const stopped = scheduler.shutdown()
    await clock.advance({ minutes: 1 })
    await stopped
  })

  test('together with metrics of the application, even if gauges have no value', async () => {
    const registry = new Registry()
    new Counter({ name: 'orders_total', help: 'Of the application.', registers: [registry] }).inc(7)
    prometheusMetrics({ registry }).gauges(() => Promise.reject(new Error('no')))
    const text = await registry.metrics()
    expect(text).toMatch(/^orders_total 7$/m)
    expect(text).not.toMatch(/^scheduler_(jobs|clock)_\w+ /m)
  })
})

test('a second scheduler on the same Prometheus registry is refused', () => {
  const registry = new Registry()
  prometheusMetrics({ registry })
  expect(() => prometheusMetrics({ registry })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

describe('after the end of a scheduler with Prometheus metrics', () => {
  const job = () => defineJob({ name: 'report', tasks: [{ name: 'write', run: () => 1 }] })
  const make = (metrics: Metrics, options: Partial<SchedulerOptions> = {}) =>
    createScheduler({ storage: memoryStorage(), jobs: [job()], logger: silentLogger, metrics, ...options })
  const completed = 'scheduler_job_occurrences_total{job="report",status="completed"}'

  async function runOnce(scheduler: Scheduler): Promise<void> {
    await scheduler.start()
    await scheduler.waitFor((await scheduler.trigger('report')).id)
  }

  test('its counters stay, its gauges are removed, and the next scheduler continues the counters', async () => {
    const registry = new Registry()
    const first = make(prometheusMetrics({ registry, totalGauges: true }))
    await runOnce(first)
    expect(await registry.metrics()).toMatch(/^scheduler_nodes 1$/m)
    await first.shutdown()
    const between = await registry.metrics()
    expect(between).toContain(`${completed} 1`)
    expect(between).not.toMatch(/^scheduler_(nodes|jobs|clock)\w* /m)
    await using second = make(prometheusMetrics({ registry }))
    await runOnce(second)
    const after = await registry.metrics()
    expect(after).toContain(`${completed} 2`)
    expect(after).toMatch(/^scheduler_nodes 1$/m)
    await second.remove('report')
    expect(await registry.metrics()).not.toContain('job="report"')
  })

  test('another scheduler may use the same metrics', async () => {
    const registry = new Registry()
    const metrics = prometheusMetrics({ registry })
    const first = make(metrics)
    await runOnce(first)
    await first.shutdown()
    await using second = make(metrics)
    await runOnce(second)
    const text = await registry.metrics()
    expect(text).toContain(`${completed} 2`)
    expect(text).toMatch(/^scheduler_nodes 1$/m)
  })

  test('the next scheduler may use the same registry, even if another scheduler failed to start before', async () => {
    const registry = new Registry()
    const storage = memoryStorage()
    vi.spyOn(storage, 'heartbeat').mockRejectedValue(new JobistemerError('STORAGE_FOREIGN', { message: 'No.' }))
    await expect(make(prometheusMetrics({ registry }), { storage }).start()).rejects.toMatchObject({
      code: 'STORAGE_FOREIGN',
    })
    const metrics = prometheusMetrics({ registry })
    expect(() => make(metrics, { deadAfter: -1 })).toThrow(expect.objectContaining({ field: 'deadAfter' }))
    metrics.end?.()
    await using last = make(prometheusMetrics({ registry }))
    await runOnce(last)
    expect(await registry.metrics()).toMatch(/^scheduler_nodes 1$/m)
  })

  test('new metrics with other buckets replace the metrics of this scheduler, but none of the application’s metrics', async () => {
    const registry = new Registry()
    const first = make(prometheusMetrics({ registry, durationBuckets: [1, 2] }))
    await runOnce(first)
    await first.shutdown()
    const second = make(prometheusMetrics({ registry, durationBuckets: [3] }))
    await runOnce(second)
    const text = await registry.metrics()
    expect(text).toContain('scheduler_job_execution_duration_seconds_bucket{le="3",job="report"} 1')
    expect(text).not.toContain('le="2"')
    await second.shutdown()
    registry.clear()
    const own = new Counter({ name: 'scheduler_takeovers_total', help: 'Of the application.', registers: [registry] })
    expect(() => prometheusMetrics({ registry })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(registry.getMetricsAsArray()).toEqual([own])
  })

  test('the metrics of another scheduler stay, if the ended scheduler was not allowed to use the same metrics object', async () => {
    const registry = new Registry()
    const metrics = prometheusMetrics({ registry })
    const refused: unknown[] = []
    const error = (fields: object): void => void refused.push(Reflect.get(fields, 'err'))
    await using first = make(metrics)
    await first.start()
    const second = make(metrics, { logger: { ...silentLogger, error } })
    expect(refused).toEqual([expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'metrics' })])
    await second.start()
    await second.shutdown()
    expect(await registry.metrics()).toMatch(/^scheduler_nodes 1$/m)
    expect(() => prometheusMetrics({ registry })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('prometheusMetrics refuses invalid options, and the error has a remedy', () => {
  const registry = new Registry()
  test.each<[what: string, options: unknown, code: string, field: string, value: unknown]>([
    ['there are none', undefined, 'INVALID_ARGUMENT', 'options', undefined],
    ['they are a list', [registry], 'INVALID_ARGUMENT', 'options', expect.anything()],
    ['one is unknown', { registry, prefix: 'app_' }, 'UNKNOWN_OPTION', 'prefix', 'app_'],
    ['the registry is left out', {}, 'INVALID_ARGUMENT', 'registry', undefined],
    ['the registry is none', { registry: {} }, 'INVALID_ARGUMENT', 'registry', {}],
    ['buckets are no list', { registry, durationBuckets: 5 }, 'INVALID_ARGUMENT', 'durationBuckets', 5],
    ['old names are wished for by a word', { registry, totalGauges: 'yes' }, 'INVALID_ARGUMENT', 'totalGauges', 'yes'],
    ['histograms by job are a word', { registry, histogramsByJob: 1 }, 'INVALID_ARGUMENT', 'histogramsByJob', 1],
    ['there is no bucket', { registry, latenessBuckets: [] }, 'INVALID_ARGUMENT', 'latenessBuckets', []],
    ['a bucket is text', { registry, durationBuckets: [1, '5'] }, 'INVALID_ARGUMENT', 'durationBuckets[1]', '5'],
    ['buckets do not grow', { registry, latenessBuckets: [1, 5, 5] }, 'INVALID_ARGUMENT', 'latenessBuckets[2]', 5],
    ['a bucket is nothing', { registry, durationBuckets: [0, 1] }, 'INVALID_ARGUMENT', 'durationBuckets[0]', 0],
  ])('if the options have this fault: %s', (_, options, code, field, value) => {
    expect(() => prometheusMetrics(options as PrometheusMetricsOptions)).toThrow(
      expect.objectContaining({ code, field, value, remedy: expect.any(String) }),
    )
    expect(registry.getMetricsAsArray()).toEqual([])
  })
})

test('the histograms of prometheusMetrics use the buckets of its options', async () => {
  const registry = new Registry()
  const metrics = prometheusMetrics({ registry, durationBuckets: [1, 2], latenessBuckets: [3] })
  metrics.observe('scheduler_job_execution_duration_seconds', { job: 'report' }, 1.5)
  metrics.observe('scheduler_start_lateness_seconds', { job: 'report' }, 1.5)
  const text = await registry.metrics()
  expect([...text.matchAll(/^(\w+)_bucket\{le="(.+?)",/gm)].map(([, name, bound]) => `${name} ${bound}`)).toEqual([
    'scheduler_job_execution_duration_seconds 1',
    'scheduler_job_execution_duration_seconds 2',
    'scheduler_job_execution_duration_seconds +Inf',
    'scheduler_start_lateness_seconds 3',
    'scheduler_start_lateness_seconds +Inf',
  ])
})

test('with histogramsByJob: false, counters have the label job, and histograms do not', async () => {
  const registry = new Registry()
  const jobs = ['a', 'b'].map((name) => defineJob({ name, tasks: [{ name: 'work', run: () => 1 }] }))
  const metrics = prometheusMetrics({ registry, histogramsByJob: false })
  await using scheduler = createScheduler({ storage: memoryStorage(), jobs, logger: silentLogger, metrics })
  await scheduler.start()
  for (const { name } of jobs) await scheduler.waitFor((await scheduler.trigger(name)).id)
  const text = await registry.metrics()
  const labelled = text
    .split('\n')
    .filter((line) => /^scheduler_\w+_seconds_(bucket|sum|count)\{.*(job|task)=/.test(line))
  expect(labelled).toEqual([])
  expect(text).toMatch(/^scheduler_job_execution_duration_seconds_count 2$/m)
  expect(text).toMatch(/^scheduler_task_execution_duration_seconds_count 2$/m)
  for (const { name } of jobs) {
    expect(text).toContain(`scheduler_job_occurrences_total{job="${name}",status="completed"} 1`)
    expect(text).toContain(`scheduler_job_last_success_timestamp_seconds{job="${name}"}`)
  }
})

test('names of gauges end in _total only if the option totalGauges is set', async () => {
  for (const totalGauges of [false, true]) {
    const registry = new Registry()
    const metrics = prometheusMetrics({ registry, totalGauges })
    metrics.gauges(async () => ({
      scheduler_jobs_running: 1,
      scheduler_jobs_in_queue: 2,
      scheduler_jobs_paused: 3,
      scheduler_jobs_ahead: 0,
      scheduler_clock_skew_seconds: 0,
      scheduler_nodes: 1,
      scheduler_node_isolated: 0,
      scheduler_clock_unconfirmed: 0,
    }))
    const text = await registry.metrics()
    const old = ['scheduler_jobs_running_total 1', 'scheduler_jobs_in_queue_total 2', 'scheduler_jobs_paused_total 3']
    expect(text.split('\n').filter((line) => /^scheduler_jobs_\w+_total /.test(line))).toEqual(totalGauges ? old : [])
    expect(text).toMatch(/^scheduler_jobs_running 1$/m)
    expect(text).toMatch(/^scheduler_jobs_in_queue 2$/m)
    expect(text).toMatch(/^scheduler_jobs_paused 3$/m)
  }
})

test('only the node that counts silent jobs exports the gauge of silent jobs', async () => {
  const others = {
    scheduler_jobs_running: 0,
    scheduler_jobs_paused: 0,
    scheduler_jobs_ahead: 0,
    scheduler_clock_skew_seconds: 0,
    scheduler_nodes: 1,
    scheduler_node_isolated: 0,
    scheduler_clock_unconfirmed: 0,
  }
  const registry = new Registry()
  let silent: { readonly scheduler_jobs_silent?: number } = {}
  prometheusMetrics({ registry }).gauges(async () => ({ ...others, ...silent }))
  expect(await registry.metrics()).not.toMatch(/^scheduler_jobs_silent /m)
  silent = { scheduler_jobs_silent: 2 }
  expect(await registry.metrics()).toMatch(/^scheduler_jobs_silent 2$/m)
  silent = {}
  expect(await registry.metrics()).not.toMatch(/^scheduler_jobs_silent /m)
})

test('a Prometheus scrape contains the last success of a job, and none of a removed job whose last run ends later', async () => {
  const registry = new Registry()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const job = (name: string) =>
    defineJob({
      name,
      schedule: cron('* * * * *'),
      tasks: [{ name: 'work', run: (context) => clock.sleep({ seconds: 5 }, context.signal) }],
    })
  const scheduler = createScheduler({
    storage: memoryStorage(),
    jobs: [job('kept'), job('removed')],
    clock,
    metrics: prometheusMetrics({ registry }),
  })
  await scheduler.start()
  await clock.advance({ seconds: 122 })
  const lastSuccess = Date.UTC(2026, 0, 1, 0, 1, 5) / 1000
  const before = await registry.metrics()
  expect(before).toContain(`scheduler_job_last_success_timestamp_seconds{job="kept"} ${lastSuccess}`)
  expect(before).toContain('job="removed"')
  await scheduler.remove('removed')
  expect(await registry.metrics()).not.toContain('job="removed"')
  // The removed job still has an active run, which ends within these 10 s.
  await clock.advance({ seconds: 10 })
  const after = await registry.metrics()
  expect(after).not.toContain('scheduler_job_last_success_timestamp_seconds{job="removed"}')
  expect(after).toContain('scheduler_job_occurrences_total{job="removed",status="completed"} 1')
  expect(after).toContain(`scheduler_job_last_success_timestamp_seconds{job="kept"} ${lastSuccess + 60}`)
  await scheduler.add(job('removed'))
  await clock.advance({ minutes: 2 })
  expect(await registry.metrics()).toContain('scheduler_job_last_success_timestamp_seconds{job="removed"}')
  const ended = scheduler.shutdown()
  await clock.advance({ minutes: 1 })
  await ended
})

test('in a cluster of Node.js, the gauges of all processes together show each node, job and last success once', async () => {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const storage = memoryStorage()
  const registries = [new Registry(), new Registry()]
  const schedulers = registries.map((registry) =>
    createScheduler({
      storage,
      clock,
      jobs: [defineJob({ name: 'a', schedule: cron('* * * * *'), tasks: [{ name: 'work', run: () => 1 }] })],
      logger: silentLogger,
      metrics: prometheusMetrics({ registry }),
    }),
  )
  for (const scheduler of schedulers) await scheduler.start()
  for (const scheduler of schedulers) await scheduler.trigger('a')
  await clock.advance({ minutes: 2 })
  // A success on each node, so that both processes have the gauge of the last success.
  const all = AggregatorRegistry.aggregate(await Promise.all(registries.map((registry) => registry.getMetricsAsJSON())))
  const valuesOf = async (name: string) => (await all.getMetricsAsJSON()).find((metric) => metric.name === name)?.values
  expect(await valuesOf('scheduler_nodes')).toMatchObject([{ value: 2 }])
  const [last] = (await valuesOf('scheduler_job_last_success_timestamp_seconds')) ?? []
  expect(last?.value).toBeGreaterThanOrEqual(clock.now() / 1000 - 120)
  expect(last?.value).toBeLessThanOrEqual(clock.now() / 1000)
  for (const scheduler of schedulers) await scheduler.shutdown()
})
