import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import type { MeterProvider as MeterProviderApi, ObservableGauge } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { expect, test, vi } from 'vitest'
import { metricNames } from '../src/conventions.ts'
import { openTelemetryMetrics } from '../src/index.ts'

/** Creates metrics with the real OpenTelemetry SDK, and a reader that collects only when the test calls it. */
function meters(temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE) {
  const exporter = new InMemoryMetricExporter(temporality)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const collect = async (): Promise<ReadonlyMap<string, MetricData>> => {
    exporter.reset()
    await reader.forceFlush()
    const data = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    return new Map(data.map((metric) => [metric.descriptor.name, metric]))
  }
  return { meterProvider, collect, [Symbol.asyncDispose]: () => meterProvider.shutdown() }
}

const pointsOf = (metric: MetricData | undefined) =>
  metric?.dataPoints.map(({ attributes, value }) => [attributes, value])

test('OpenTelemetry durations are in seconds, and counters have the attributes job, task and outcome', async () => {
  await using collected = meters()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const storage = memoryStorage()
  const jobs = () => [
    defineJob({
      name: 'report',
      schedule: cron('* * * * *'),
      recoveryStrategy: 'execute_last',
      tasks: [{ name: 'write', run: ({ sleep }) => sleep({ seconds: 5 }) }],
    }),
    defineJob({
      name: 'flaky',
      schedule: cron('* * * * *'),
      tasks: [{ name: 'fail', run: () => Promise.reject('no') }],
    }),
  ]
  const first = createScheduler({ storage, jobs: jobs(), clock, logger: silentLogger })
  await first.start()
  await first.shutdown()
  await clock.advance({ minutes: 5 })

  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  await using scheduler = createScheduler({ storage, jobs: jobs(), clock, logger: silentLogger, metrics })
  await scheduler.start()
  await scheduler.pause('flaky')
  await clock.advance({ minutes: 2, seconds: 30 })
  const shown = await collected.collect()
  const job = { 'jobistemer.job.name': 'report' }
  const runs = pointsOf(shown.get(metricNames.runs)) ?? []
  expect(runs).toContainEqual([{ ...job, 'jobistemer.outcome': 'completed' }, 3])
  expect(runs).toContainEqual([{ ...job, 'jobistemer.outcome': 'missed' }, 2])
  const duration = shown.get(metricNames.runDuration)
  expect([duration?.descriptor.unit, duration?.dataPoints[0]?.attributes]).toEqual(['s', job])
  expect(duration?.dataPoints[0]?.value).toMatchObject({ count: 3, sum: 15 })
  expect(pointsOf(shown.get(metricNames.attempts))).toContainEqual([
    { ...job, 'jobistemer.task.name': 'write', 'jobistemer.attempt.state': 'succeeded' },
    3,
  ])
  expect(pointsOf(shown.get(metricNames.nodes))).toEqual([[{}, 1]])
  expect(pointsOf(shown.get(metricNames.pausedJobs))).toEqual([[{}, 1]])
  expect(pointsOf(shown.get(metricNames.clockSkew))).toEqual([[{}, 0]])
  expect(pointsOf(shown.get(metricNames.lastSuccess))).toEqual([[job, Date.UTC(2026, 0, 1, 0, 7, 5) / 1000]])
})

test('an OpenTelemetry counter counts the takeovers of runs of dead nodes', async () => {
  await using collected = meters()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const storage = memoryStorage()
  const run = ({ attempt }: { attempt: number }) => (attempt === 1 ? new Promise(() => undefined) : 1)
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  const options = { storage, clock, logger: silentLogger, jobs: [job], nodeId: 'same' }
  const first = createScheduler(options)
  await first.start()
  await first.trigger('report')
  await first.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  await using second = createScheduler({ ...options, metrics })
  await second.start()
  await clock.advance({ minutes: 2 })
  const takeovers = pointsOf((await collected.collect()).get(metricNames.takeovers))
  expect(takeovers).toEqual([[{ 'jobistemer.job.name': 'report', 'jobistemer.reason': 'owner_restarted' }, 1]])
})

test('an OpenTelemetry collection omits each gauge for which the scheduler has no value, and reports the remaining gauges', async () => {
  await using collected = meters()
  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  metrics.gauges(async () => ({ scheduler_nodes: 2 }) as never)
  const shown = await collected.collect()
  expect(pointsOf(shown.get(metricNames.nodes))).toEqual([[{}, 2]])
  expect(pointsOf(shown.get(metricNames.waitingRuns)) ?? []).toEqual([])
})

test('the OpenTelemetry gauge of the last success omits a removed job', async () => {
  // Uses delta temporality: with cumulative temporality, the SDK keeps reporting values that were observed only once.
  await using collected = meters(AggregationTemporality.DELTA)
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run: () => 1 }] })
  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  const storage = memoryStorage()
  await using scheduler = createScheduler({ storage, jobs: [job], clock, logger: silentLogger, metrics })
  await scheduler.start()
  await scheduler.waitFor((await scheduler.trigger('report')).id)
  const lastSuccess = async () => pointsOf((await collected.collect()).get(metricNames.lastSuccess)) ?? []
  expect(await lastSuccess()).toEqual([[{ 'jobistemer.job.name': 'report' }, Date.UTC(2026, 0, 1) / 1000]])
  await scheduler.remove('report')
  expect(await lastSuccess()).toEqual([])
})

test('OpenTelemetry gauges are not observed after their scheduler has ended, and another scheduler may use the same metrics', async () => {
  await using collected = meters(AggregationTemporality.DELTA)
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run: () => 1 }] })
  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  const make = () => createScheduler({ storage: memoryStorage(), jobs: [job], logger: silentLogger, metrics })
  const gauges = async () => {
    const shown = await collected.collect()
    const names = [metricNames.activeRuns, metricNames.nodes, metricNames.lastSuccess]
    return names.filter((name) => (pointsOf(shown.get(name)) ?? []).length > 0)
  }
  const run = async (scheduler: Scheduler) => {
    await scheduler.start()
    await scheduler.waitFor((await scheduler.trigger('report')).id)
  }
  const first = make()
  await run(first)
  expect(await gauges()).toEqual([metricNames.activeRuns, metricNames.nodes, metricNames.lastSuccess])
  await first.shutdown()
  expect(await gauges()).toEqual([])
  await using second = make()
  await run(second)
  expect(await gauges()).toEqual([metricNames.activeRuns, metricNames.nodes, metricNames.lastSuccess])
})

test('a meter provider keeps no reference to a scheduler that has ended', async () => {
  await using collected = meters()
  const kept = new Set<unknown>()
  const watched = (gauge: ObservableGauge): ObservableGauge => {
    vi.spyOn(gauge, 'addCallback').mockImplementation((callback) => void kept.add(callback))
    vi.spyOn(gauge, 'removeCallback').mockImplementation((callback) => void kept.delete(callback))
    return gauge
  }
  const meterProvider: MeterProviderApi = {
    getMeter(...names) {
      const meter = collected.meterProvider.getMeter(...names)
      const create = meter.createObservableGauge.bind(meter)
      vi.spyOn(meter, 'createObservableGauge').mockImplementation((...named) => watched(create(...named)))
      vi.spyOn(meter, 'addBatchObservableCallback').mockImplementation((callback) => void kept.add(callback))
      vi.spyOn(meter, 'removeBatchObservableCallback').mockImplementation((callback) => void kept.delete(callback))
      return meter
    },
  }
  const metrics = openTelemetryMetrics({ meterProvider })
  const scheduler = createScheduler({ storage: memoryStorage(), logger: silentLogger, metrics })
  await scheduler.start()
  expect(kept.size).toBe(2)
  await scheduler.shutdown()
  expect(kept.size).toBe(0)
})

test('OpenTelemetry metrics refuse a second scheduler, whose shutdown does not affect the first scheduler', async () => {
  await using collected = meters(AggregationTemporality.DELTA)
  const metrics = openTelemetryMetrics({ meterProvider: collected.meterProvider })
  const refused: unknown[] = []
  const error = (fields: object): void => void refused.push(Reflect.get(fields, 'err'))
  await using first = createScheduler({ storage: memoryStorage(), logger: silentLogger, metrics })
  await first.start()
  const second = createScheduler({ storage: memoryStorage(), logger: { ...silentLogger, error }, metrics })
  await second.start()
  await second.shutdown()
  expect(refused).toEqual([expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'metrics' })])
  expect(pointsOf((await collected.collect()).get(metricNames.nodes))).toEqual([[{}, 1]])
})
