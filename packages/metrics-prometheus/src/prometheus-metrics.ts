import {
  type CounterLabels,
  type EventGaugeLabels,
  type GaugeValues,
  type HistogramLabels,
  JobistemerError,
  type Metrics,
} from '@jobistemer/core'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type PrometheusMetricsOptions, readPrometheusOptions } from './prometheus-options.ts'
import { SeriesOfJobs } from './series-of-jobs.ts'

const counters: { readonly [Name in keyof CounterLabels]: Definition<CounterLabels[Name]> } = {
  scheduler_task_attempts_total: { help: 'Attempts of tasks that ended.', labels: ['job', 'task', 'status'] },
  scheduler_job_occurrences_total: { help: 'Occurrences that reached a final state.', labels: ['job', 'status'] },
  scheduler_recovery_runs_total: { help: 'Missed slots that recovery made run.', labels: ['job', 'strategy'] },
  scheduler_takeovers_total: {
    help: 'Occurrences that were taken from an owner that was gone.',
    labels: ['job', 'reason'],
  },
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

const gauges: { readonly [Name in keyof GaugeValues]-?: string } = {
  scheduler_jobs_running: 'Occurrences that this node runs.',
  scheduler_jobs_in_queue: 'Occurrences that wait in the storage, of all nodes.',
  scheduler_jobs_paused: 'Paused jobs.',
  scheduler_jobs_ahead: 'Jobs that a clock which was wrong has decided ahead of the time: they do not run.',
  scheduler_jobs_silent: 'Jobs that had no success for their alertAfter. One of the nodes shows it.',
  scheduler_clock_skew_seconds: 'How far the clock of this node is ahead of the clock of the storage.',
  scheduler_nodes: 'Living nodes, as far as this one knows.',
  scheduler_node_isolated: '1 while no heartbeat of this node is accepted, and it takes no new work.',
  scheduler_clock_unconfirmed: '1 while a clock that has jumped is not confirmed, and nothing begins on this node.',
}

/** The names that these gauges had: `_total` is the ending of counters. */
const oldGaugeNames: Readonly<Record<string, keyof GaugeValues>> = {
  scheduler_jobs_running_total: 'scheduler_jobs_running',
  scheduler_jobs_in_queue_total: 'scheduler_jobs_in_queue',
  scheduler_jobs_paused_total: 'scheduler_jobs_paused',
}

const eventGauges: { readonly [Name in keyof EventGaugeLabels]: Definition<EventGaugeLabels[Name]> } = {
  scheduler_job_last_success_timestamp_seconds: {
    help: 'When a run of the job was last completed on this node.',
    labels: ['job'],
  },
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
  const { registry, durationBuckets, latenessBuckets, totalGauges } = readPrometheusOptions(options)
  const readGaugeNames = [...Object.keys(gauges), ...(totalGauges ? Object.keys(oldGaugeNames) : [])]
  const setNames = [counters, histograms, eventGauges].flatMap((metrics) => Object.keys(metrics))
  const taken = [...setNames, ...readGaugeNames].find((name) => registry.getSingleMetric(name) !== undefined)
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
  const gaugeOf = new Map<string, Gauge>()
  for (const [name, { help, labels }] of Object.entries(eventGauges)) {
    gaugeOf.set(name, new Gauge({ name, help, labelNames: [...labels], registers }))
  }
  const series = new SeriesOfJobs()
  return {
    increment(name, labels, by) {
      const counter = counterOf.get(name)
      counter?.inc(series.kept(counter, labels), by)
    },
    observe(name, labels, value) {
      const histogram = histogramOf.get(name)
      histogram?.observe(series.kept(histogram, labels), value)
    },
    set(name, labels, value) {
      const gauge = gaugeOf.get(name)
      gauge?.set(series.kept(gauge, labels), value)
    },
    removeJob(job) {
      series.remove(job)
    },
    gauges(read) {
      registerGauges(registry, readGaugeNames, read)
    },
  }
}

/**
 * prom-client asks each gauge by itself: they share one reading per scrape. A gauge that is not known is not shown, as 0
 * would be a lie; one that threw would take the metrics of the whole application with it.
 */
function registerGauges(registry: Registry, names: readonly string[], read: () => Promise<GaugeValues>): void {
  let reading: Promise<Partial<GaugeValues>> | undefined
  const shared = () => {
    reading ??= readSafely(read).finally(() => {
      reading = undefined
    })
    return reading
  }
  for (const name of names) {
    const value = oldGaugeNames[name] ?? (name as keyof GaugeValues)
    const gauge: Gauge = new Gauge({
      name,
      help: gauges[value],
      registers: [registry],
      async collect() {
        const present = (await shared())[value]
        if (present === undefined) gauge.remove()
        else gauge.set(present)
      },
    })
  }
}

async function readSafely(read: () => Promise<GaugeValues>): Promise<Partial<GaugeValues>> {
  try {
    return await read()
  } catch {
    return {}
  }
}
