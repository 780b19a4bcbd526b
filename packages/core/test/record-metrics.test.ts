import { expect, it } from 'vitest'
import { EventHub, type SchedulerEvents } from '../src/events.ts'
import type { JobId, OccurrenceId } from '../src/ids.ts'
import { silentLogger } from '../src/logger.ts'
import { recordMetrics } from '../src/metrics/record-metrics.ts'
import { metricsCollector } from '../src/testing/metrics-collector.ts'

it('the removal of a job removes its metric series, and a later start of one of its runs creates the series again', () => {
  const events = new EventHub(silentLogger)
  const metrics = metricsCollector()
  recordMetrics(events, metrics, () => 0)
  const start = () => {
    const event = { jobName: 'tenant', occurrenceId: 'occ_1' as OccurrenceId, waitedMs: 0, latenessMs: 500 }
    events.emit('occurrence.started', event as unknown as SchedulerEvents['occurrence.started'])
  }
  const measured = () => metrics.observations('scheduler_start_lateness_seconds')
  start()
  start()
  expect(measured()).toEqual([0.5, 0.5])
  events.emit('job.removed', { jobId: 'job_1' as JobId, jobName: 'tenant' })
  expect(measured()).toEqual([])
  start()
  expect(measured()).toEqual([0.5])
})
