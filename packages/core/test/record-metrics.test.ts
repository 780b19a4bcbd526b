import { expect, it } from 'vitest'
import { EventHub, type SchedulerEvents } from '../src/events.ts'
import type { JobId, OccurrenceId } from '../src/ids.ts'
import { silentLogger } from '../src/logger.ts'
import { recordMetrics } from '../src/metrics/record-metrics.ts'
import { metricsCollector } from '../src/testing/metrics-collector.ts'

it('the metrics omit the start lateness of a run whose slot lies before the removal of its job', () => {
  const events = new EventHub(silentLogger)
  const metrics = metricsCollector()
  let now = 100_000
  recordMetrics(events, metrics, () => now)
  const started = (waitedMs: number) => {
    const event = { jobName: 'tenant', occurrenceId: 'occ_1' as OccurrenceId, waitedMs, latenessMs: waitedMs }
    events.emit('occurrence.started', event as unknown as SchedulerEvents['occurrence.started'])
  }
  const measured = () => metrics.observations('scheduler_start_lateness_seconds').length
  started(0)
  expect(measured()).toBe(1)
  events.emit('job.removed', { jobId: 'job_1' as JobId, jobName: 'tenant' })
  expect(measured()).toBe(0)
  now += 2000
  started(3000)
  started(2000)
  expect(measured()).toBe(0)
  started(1000)
  expect(measured()).toBe(1)
})
