import { JobistemerError, printValue } from '@jobistemer/core'
import type { Registry } from 'prom-client'

/** The options of `prometheusMetrics`: the registry, the histogram buckets, and which series and gauges to export. */
export interface PrometheusMetricsOptions {
  /**
   * The registry of the metrics: prom-client's default `register`, or another one. Only one scheduler at a time may use
   * a registry.
   */
  readonly registry: Registry
  /** Upper bounds of the duration histograms in seconds, in ascending order. Default 0.01 to 3,600. */
  readonly durationBuckets?: readonly number[]
  /** Upper bounds of the lateness and waiting histograms in seconds, in ascending order. Default 0.005 to 300. */
  readonly latenessBuckets?: readonly number[]
  /**
   * `true`: histograms have series for each job and each of its tasks. `false`: each histogram has one series for all jobs of
   * the node. Choose `false` for thousands of jobs, because with `true` each scrape would then block the process. Counters and
   * the time of the last success always have series for each job. Default true.
   */
  readonly histogramsByJob?: boolean
  /**
   * `true`: also exports the gauges `scheduler_jobs_running`, `scheduler_jobs_in_queue` and `scheduler_jobs_paused`
   * with the ending `_total`, for older dashboards. Default false.
   */
  readonly totalGauges?: boolean
}

const optionNames = ['registry', 'durationBuckets', 'latenessBuckets', 'histogramsByJob', 'totalGauges']
const registryMethods = ['getSingleMetric', 'registerMetric', 'removeSingleMetric']
const defaultDurationBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600]
const defaultLatenessBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60, 300]

/**
 * Checks the options and applies their defaults.
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function readPrometheusOptions(options: PrometheusMetricsOptions): Required<PrometheusMetricsOptions> {
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    throw invalid(options, 'options', 'is not an object', `Give an object with ${optionNames.join(', ')}.`)
  }
  const unknown = Object.keys(options).find((name) => !optionNames.includes(name))
  if (unknown !== undefined) {
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `${unknown} is not an option.`,
      field: unknown,
      value: Reflect.get(options, unknown),
      remedy: `Known are ${optionNames.join(', ')}.`,
    })
  }
  const {
    registry,
    durationBuckets = defaultDurationBuckets,
    latenessBuckets = defaultLatenessBuckets,
    histogramsByJob = true,
    totalGauges = false,
  } = options
  if (!isObject(registry) || registryMethods.some((name) => typeof Reflect.get(registry, name) !== 'function')) {
    throw invalid(registry, 'registry', 'is not a registry of prom-client', 'Give register, or a new Registry().')
  }
  for (const [name, value] of Object.entries({ histogramsByJob, totalGauges })) {
    if (typeof value !== 'boolean') throw invalid(value, name, 'is neither true nor false', 'Give true or false.')
  }
  return {
    registry,
    histogramsByJob,
    totalGauges,
    durationBuckets: readBuckets(durationBuckets, 'durationBuckets'),
    latenessBuckets: readBuckets(latenessBuckets, 'latenessBuckets'),
  }
}

function readBuckets(buckets: readonly number[], field: string): readonly number[] {
  const remedy = 'Give upper bounds in seconds, each greater than the one before.'
  if (!Array.isArray(buckets) || buckets.length === 0) throw invalid(buckets, field, 'is not a list of numbers', remedy)
  for (const [index, bound] of buckets.entries()) {
    if (!Number.isFinite(bound) || bound <= (buckets[index - 1] ?? 0)) {
      throw invalid(bound, `${field}[${index}]`, 'is not a number greater than the one before', remedy)
    }
  }
  return buckets
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(value: unknown, field: string, what: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${what}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
