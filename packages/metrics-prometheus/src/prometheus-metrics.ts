import {
  type CounterLabels,
  type GaugeValues,
  type HistogramLabels,
  JobistemerError,
  type Metrics,
} from '@jobistemer/core'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type PrometheusMetricsOptions, readPrometheusOptions } from './prometheus-options.ts'

const counters: { readonly [Name in keyof CounterLabels]: Definition<CounterLabels[Name]> } = {
  scheduler_task_attempts_total: { help: 'Attempts of tasks that ended.', labels: ['job', 'task', 'status'] },
  scheduler_job_occurrences_total: { help: 'Occurrences that reached a final state.', labels: ['job', 'status'] },
  scheduler_recovery_runs_total: { help: 'Missed slots that recovery made run.', labels: ['job', 'strategy'] },
  scheduler_storage_failures_total: {
    help: 'Calls to the storage that failed and were repeated.',
    labels: ['operation'],
  },
}

const histograms: {
  readonly [Name in keyof HistogramLabels]: Definition<HistogramLabels[Name]> & { readonly buckets: BucketKind }
} = {
  scheduler_job_execution_duration_seconds: {
    help: 'From the start of an occurrence to its end.',
    labels: ['job'],
    buckets: 'duration',
  },
  scheduler_task_execution_duration_seconds: {
    help: 'From the start of the first attempt of a task to the end of its last.',
    labels: ['job', 'task'],
    buckets: 'duration',
  },
  scheduler_start_lateness_seconds: {
    help: 'From the scheduled instant to the start.',
    labels: ['job'],
    buckets: 'lateness',
  },
  scheduler_queue_wait_seconds: {
    help: 'From becoming due to the start, of occurrences that had to wait.',
    labels: ['job'],
    buckets: 'lateness',
  },
}

const gauges: { readonly [Name in keyof GaugeValues]: string } = {
  scheduler_jobs_running_total: 'Occurrences that this node runs.',
  scheduler_jobs_in_queue_total: 'Occurrences that wait in the storage, of all nodes.',
  scheduler_jobs_paused_total: 'Paused jobs.',
  scheduler_clock_skew_seconds: 'How far the clock of this node is ahead of the clock of the storage.',
}

type BucketKind = 'duration' | 'lateness'

interface Definition<Labels> {
  readonly help: string
  readonly labels: readonly (keyof Labels & string)[]
}

/**
 * Metrics for `createScheduler({ metrics })`. One per scheduler and registry; the gauges are read with each scrape.
 *
 * @example
 * const registry = new Registry()
 * const scheduler = createScheduler({ storage, jobs, metrics: prometheusMetrics({ registry }) })
 * http.createServer(async (_, response) => response.end(await registry.metrics())).listen(9464)
 *
 * @throws JobistemerError `INVALID_ARGUMENT` for a bad option, and when the registry has metrics of these names already;
 * `UNKNOWN_OPTION`
 */
export function prometheusMetrics(options: PrometheusMetricsOptions): Metrics {
  const { registry, durationBuckets, latenessBuckets } = readPrometheusOptions(options)
  const taken = [...Object.keys(counters), ...Object.keys(histograms), ...Object.keys(gauges)].find(
    (name) => registry.getSingleMetric(name) !== undefined,
  )
  if (taken !== undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `The registry has a metric ${taken} already.`,
      field: 'registry',
      value: taken,
      remedy: 'Give each scheduler of a process a registry of its own.',
    })
  }
  const buckets = { duration: [...durationBuckets], lateness: [...latenessBuckets] }
  const registers = [registry]
  const counterOf = new Map<string, Counter>()
  for (const [name, { help, labels }] of Object.entries(counters)) {
    counterOf.set(name, new Counter({ name, help, labelNames: [...labels], registers }))
  }
  const histogramOf = new Map<string, Histogram>()
  for (const [name, definition] of Object.entries(histograms)) {
    const { help, labels } = definition
    const labelNames: string[] = [...labels]
    histogramOf.set(name, new Histogram({ name, help, labelNames, buckets: buckets[definition.buckets], registers }))
  }
  return {
    increment(name, labels, by) {
      counterOf.get(name)?.inc({ ...labels }, by)
    },
    observe(name, labels, value) {
      histogramOf.get(name)?.observe({ ...labels }, value)
    },
    gauges(read) {
      registerGauges(registry, read)
    },
  }
}

/** prom-client asks each gauge by itself: they share one reading per scrape. */
function registerGauges(registry: Registry, read: () => Promise<GaugeValues>): void {
  let reading: Promise<GaugeValues> | undefined
  const shared = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }
  for (const [name, help] of Object.entries(gauges)) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        gauge.set((await shared())[name as keyof GaugeValues])
      },
    })
  }
}
