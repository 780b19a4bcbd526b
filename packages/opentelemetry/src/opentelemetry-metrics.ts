import {
  type CounterLabels,
  type EventGaugeLabels,
  type GaugeValues,
  type HistogramLabels,
  JobistemerError,
  type Metrics,
} from '@jobistemer/core'
import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type MeterProvider,
  metrics,
  type ObservableResult,
} from '@opentelemetry/api'
import { metricNames, own, schemaUrl, scopeName } from './conventions.ts'
import { readOptions } from './read-options.ts'

/** The options of `openTelemetryMetrics`: the meter provider of OpenTelemetry. */
export interface OpenTelemetryMetricsOptions {
  /**
   * The meter provider of OpenTelemetry. Default: the global meter provider, which must be registered before
   * `openTelemetryMetrics` is called.
   */
  readonly meterProvider?: MeterProvider
}

interface Definition {
  readonly name: string
  readonly unit: string
  readonly description: string
}

const counters: { readonly [Name in keyof CounterLabels]: Definition } = {
  scheduler_task_attempts_total: {
    name: metricNames.attempts,
    unit: '{attempt}',
    description: 'Attempts of tasks that ended.',
  },
  scheduler_job_occurrences_total: {
    name: metricNames.runs,
    unit: '{run}',
    description: 'Occurrences that reached a final state, including missed and skipped slots.',
  },
  scheduler_recovery_runs_total: {
    name: metricNames.recoveryRuns,
    unit: '{run}',
    description: 'Missed slots that recovery made run.',
  },
  scheduler_takeovers_total: {
    name: metricNames.takeovers,
    unit: '{run}',
    description: 'Occurrences that were taken from an owner that was gone.',
  },
  scheduler_losses_total: {
    name: metricNames.losses,
    unit: '{run}',
    description: 'Occurrences that this node ran and has lost: to another one, or canceled by force.',
  },
  scheduler_storage_failures_total: {
    name: metricNames.storageFailures,
    unit: '{call}',
    description: 'Calls to the storage that failed and were repeated.',
  },
}

const durationBounds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600]
const latenessBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60, 300]

const histograms: { readonly [Name in keyof HistogramLabels]: Definition & { readonly bounds: readonly number[] } } = {
  scheduler_job_execution_duration_seconds: {
    name: metricNames.runDuration,
    unit: 's',
    description: 'From the start of an occurrence to its end.',
    bounds: durationBounds,
  },
  scheduler_task_execution_duration_seconds: {
    name: metricNames.taskDuration,
    unit: 's',
    description: 'From the start of the first attempt of a task to the end of its last.',
    bounds: durationBounds,
  },
  scheduler_start_lateness_seconds: {
    name: metricNames.runLateness,
    unit: 's',
    description: 'From the scheduled instant to the start.',
    bounds: latenessBounds,
  },
  scheduler_queue_wait_seconds: {
    name: metricNames.runWait,
    unit: 's',
    description: 'From becoming due to the start, of occurrences that had to wait.',
    bounds: latenessBounds,
  },
}

const gauges: { readonly [Name in keyof GaugeValues]-?: Definition } = {
  scheduler_jobs_running: {
    name: metricNames.activeRuns,
    unit: '{run}',
    description: 'Occurrences that this node runs.',
  },
  scheduler_jobs_in_queue: {
    name: metricNames.waitingRuns,
    unit: '{run}',
    description: 'Occurrences that wait in the storage, of all nodes.',
  },
  scheduler_jobs_paused: { name: metricNames.pausedJobs, unit: '{job}', description: 'Paused jobs.' },
  scheduler_jobs_ahead: {
    name: metricNames.aheadJobs,
    unit: '{job}',
    description: 'Jobs that a clock which was wrong has decided ahead of the time.',
  },
  scheduler_jobs_silent: {
    name: metricNames.silentJobs,
    unit: '{job}',
    description: 'Jobs that had no success for their alertAfter. One of the nodes shows it.',
  },
  scheduler_clock_skew_seconds: {
    name: metricNames.clockSkew,
    unit: 's',
    description: 'How far the clock of this node is ahead of the clock of the storage.',
  },
  scheduler_nodes: {
    name: metricNames.nodes,
    unit: '{node}',
    description: 'Living nodes, as far as this one knows.',
  },
  scheduler_node_isolated: {
    name: metricNames.nodeIsolated,
    unit: '1',
    description: '1 while no heartbeat of this node is accepted, and it takes no new work.',
  },
  scheduler_clock_unconfirmed: {
    name: metricNames.clockUnconfirmed,
    unit: '1',
    description: '1 while a clock that has jumped is not confirmed, and nothing begins on this node.',
  },
}

const eventGauges: { readonly [Name in keyof EventGaugeLabels]: Definition } = {
  scheduler_job_last_success_timestamp_seconds: {
    name: metricNames.lastSuccess,
    unit: 's',
    description: 'When a run of the job was last completed on this node, in seconds since 1970.',
  },
}

const attributeOf: Readonly<Record<string, string>> = {
  job: own.jobName,
  task: own.taskName,
  strategy: own.strategy,
  reason: own.reason,
  operation: own.operation,
}

type ReadGauges = () => Promise<GaugeValues>

/**
 * Returns metrics for `createScheduler({ metrics })`. Durations are in seconds. Gauges are read with each collection
 * until the scheduler ends. Only one scheduler at a time may use the returned metrics.
 *
 * @example
 * const scheduler = createScheduler({ storage, jobs, metrics: openTelemetryMetrics() })
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function openTelemetryMetrics(options: OpenTelemetryMetricsOptions = {}): Metrics {
  const { meterProvider = metrics.getMeterProvider() } = readOptions(options, {
    meterProvider: { method: 'getMeter', remedy: 'Give a MeterProvider, as the SDK makes it.' },
  })
  const meter = meterProvider.getMeter(scopeName, undefined, { schemaUrl })
  const counterOf = mapOf(counters, ({ name, ...rest }) => meter.createCounter(name, rest))
  const histogramOf = mapOf(histograms, ({ name, bounds, ...rest }) =>
    meter.createHistogram(name, { ...rest, advice: { explicitBucketBoundaries: [...bounds] } }),
  )
  const lastValues = new Map<string, number>()
  let current: { readonly read: ReadGauges; remove(): void } | null = null
  return {
    increment(name, labels, by) {
      const status = name === 'scheduler_task_attempts_total' ? own.attemptState : own.outcome
      counterOf.get(name)?.add(by, attributesOf({ ...labels }, status))
    },
    observe(name, labels, value) {
      histogramOf.get(name)?.record(value, attributesOf({ ...labels }))
    },
    set(_, { job }, value) {
      lastValues.set(job, value)
    },
    removeJob(job) {
      // Removes the series of the job from the gauge of the last success. The OpenTelemetry API cannot remove series from
      // counters and histograms.
      lastValues.delete(job)
    },
    gauges(read) {
      if (current !== null) throw inUse()
      const callbacks = [observeLastValues(meter, lastValues), observeGauges(meter, read)]
      current = {
        read,
        remove() {
          for (const remove of callbacks) remove()
        },
      }
    },
    end(read) {
      if (read !== undefined && read !== current?.read) return
      // Removes the callback. Otherwise the meter provider would keep the callback, and thus the ended scheduler, in
      // memory forever.
      current?.remove()
      current = null
    },
  }
}

/** @returns what ends it */
function observeLastValues(meter: Meter, lastValues: ReadonlyMap<string, number>): () => void {
  const observe = (result: ObservableResult): void => {
    for (const [job, value] of lastValues) result.observe(value, { [own.jobName]: job })
  }
  const observed = Object.values(eventGauges).map(({ name, ...rest }) => meter.createObservableGauge(name, rest))
  for (const gauge of observed) gauge.addCallback(observe)
  return () => {
    for (const gauge of observed) gauge.removeCallback(observe)
  }
}

/** @returns what ends it */
function observeGauges(meter: Meter, read: ReadGauges): () => void {
  const gaugeOf = mapOf(gauges, ({ name, ...rest }) => meter.createObservableGauge(name, rest))
  const observed = [...gaugeOf.values()]
  const observe = async (result: BatchObservableResult): Promise<void> => {
    const values: Partial<GaugeValues> = await read()
    for (const [name, gauge] of gaugeOf) {
      const value = values[name]
      // Skips an unknown value, because an observed 0 would be wrong.
      if (value !== undefined) result.observe(gauge, value)
    }
  }
  meter.addBatchObservableCallback(observe, observed)
  return () => meter.removeBatchObservableCallback(observe, observed)
}

function inUse(): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: 'Another scheduler that has not ended uses these metrics, and they show its gauges.',
    field: 'metrics',
    value: 'in use',
    remedy:
      'Give each scheduler of a process separate metrics and a separate provider, or shut the other scheduler down first.',
  })
}

function mapOf<Name extends string, Kind, Instrument>(
  definitions: Readonly<Record<Name, Kind>>,
  make: (definition: Kind) => Instrument,
): ReadonlyMap<Name, Instrument> {
  const entries = Object.entries(definitions) as [Name, Kind][]
  return new Map(entries.map(([name, definition]) => [name, make(definition)]))
}

/**
 * Converts labels to attributes. Two counters have a label `status`, each with a different meaning. So the caller passes the
 * attribute name for this label in the parameter `status`.
 */
function attributesOf(labels: Readonly<Record<string, string>>, status: string = own.outcome): Attributes {
  const attributes: Attributes = {}
  for (const [label, value] of Object.entries(labels)) {
    attributes[label === 'status' ? status : (attributeOf[label] ?? label)] = value
  }
  return attributes
}
