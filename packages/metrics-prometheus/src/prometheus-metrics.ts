import { JobistemerError, type Metrics } from '@jobistemer/core'
import type { Registry } from 'prom-client'
import { gauges, oldGaugeNames } from './definitions.ts'
import { type PrometheusMetricsOptions, readPrometheusOptions } from './prometheus-options.ts'
import { type ReadGauges, registerGauges } from './read-gauges.ts'
import { RegisteredMetrics, registeredNames } from './registered-metrics.ts'

/**
 * The metrics of each registry. The metrics of an ended scheduler stay in this map, so that the next scheduler can continue
 * their counts.
 */
const metricsIn = new WeakMap<Registry, RegisteredMetrics>()

/**
 * Returns metrics for `createScheduler({ metrics })`. Gauges are read with each scrape.
 *
 * Only one scheduler at a time may use the returned metrics or their registry. When this scheduler has ended, another scheduler
 * may use both, and continues the counts.
 *
 * @example
 * const registry = new Registry()
 * const scheduler = createScheduler({ storage, jobs, metrics: prometheusMetrics({ registry }) })
 * http.createServer(async (_, response) => response.end(await registry.metrics())).listen(9464)
 *
 * @throws JobistemerError `UNKNOWN_OPTION`; `INVALID_ARGUMENT` for an invalid option, or if the registry already has
 * metrics with these names that do not belong to an ended scheduler
 */
export function prometheusMetrics(options: PrometheusMetricsOptions): Metrics {
  const checked = readPrometheusOptions(options)
  const { registry, histogramsByJob, totalGauges } = checked
  const gaugeNames = [...Object.keys(gauges), ...(totalGauges ? Object.keys(oldGaugeNames) : [])]
  const registered = take(checked, [...registeredNames, ...gaugeNames])
  const { counterOf, histogramOf, gaugeOf, series } = registered
  let current: { readonly read: ReadGauges; remove(): void } | null = null
  const metrics: Metrics = {
    increment(name, labels, by) {
      const counter = counterOf.get(name)
      counter?.inc(series.kept(counter, labels), by)
    },
    observe(name, labels, value) {
      const histogram = histogramOf.get(name)
      if (histogram === undefined) return
      if (histogramsByJob) histogram.observe(series.kept(histogram, labels), value)
      else histogram.observe(value)
    },
    set(name, labels, value) {
      const gauge = gaugeOf.get(name)
      gauge?.set(series.kept(gauge, labels), value)
    },
    removeJob(job) {
      series.remove(job)
    },
    gauges(read) {
      if (current !== null) throw inUse()
      const isOthers = registered.user !== null && registered.user !== metrics
      if (isOthers || metricsIn.get(registry) !== registered) throw taken(gaugeNames[0])
      current = { read, remove: registerGauges(registry, gaugeNames, read) }
      registered.user = metrics
    },
    end(read) {
      if (read !== undefined && read !== current?.read) return
      current?.remove()
      current = null
      if (registered.user === metrics) registered.user = null
    },
  }
  registered.user = metrics
  return metrics
}

/** Returns the metrics that an ended scheduler has left in the registry, or creates new ones. */
function take(options: Required<PrometheusMetricsOptions>, names: readonly string[]): RegisteredMetrics {
  const { registry } = options
  const earlier = metricsIn.get(registry)
  const left = earlier?.user === null ? earlier : undefined
  const foreign = names.find((name) => registry.getSingleMetric(name) !== undefined && left?.has(name) !== true)
  if (foreign !== undefined) throw taken(foreign)
  if (left?.suits(options) === true) return left
  left?.remove()
  const registered = new RegisteredMetrics(options)
  metricsIn.set(registry, registered)
  return registered
}

function taken(name: string | undefined): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `The registry has a metric ${name} already.`,
    field: 'registry',
    value: name,
    remedy: 'Give each scheduler of a process a separate registry, or shut down the scheduler before.',
  })
}

function inUse(): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: 'Another scheduler that has not ended uses these metrics, and they show its gauges.',
    field: 'metrics',
    value: 'in use',
    remedy:
      'Give each scheduler of a process separate metrics and a separate registry, or shut the other scheduler down first.',
  })
}
