import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client'
import { counters, eventGauges, histograms } from './definitions.ts'
import type { PrometheusMetricsOptions } from './prometheus-options.ts'
import { SeriesOfJobs } from './series-of-jobs.ts'

/** The names of all counters, histograms and gauges that the package registers. */
export const registeredNames: readonly string[] = [counters, histograms, eventGauges].flatMap((metrics) =>
  Object.keys(metrics),
)

/**
 * The metrics in a registry. These metrics outlive a scheduler, so that the next scheduler of the process continues the
 * counts of the previous one.
 */
export class RegisteredMetrics {
  readonly counterOf: ReadonlyMap<string, Counter>
  readonly histogramOf: ReadonlyMap<string, Histogram>
  readonly gaugeOf: ReadonlyMap<string, Gauge>
  readonly series: SeriesOfJobs = new SeriesOfJobs()
  /** The metrics object of the scheduler that uses these metrics; `null` after that scheduler has ended. */
  user: object | null = null
  readonly #registry: Registry
  readonly #shape: string
  readonly #all: ReadonlyMap<string, Metric>

  constructor(options: Required<PrometheusMetricsOptions>) {
    const { registry, durationBuckets, latenessBuckets, histogramsByJob } = options
    const buckets = { duration: [...durationBuckets], lateness: [...latenessBuckets] }
    const registers = [registry]
    this.counterOf = mapOf(
      counters,
      (name, { help, labels }) => new Counter({ name, help, labelNames: [...labels], registers }),
    )
    this.histogramOf = mapOf(histograms, (name, { help, labels, buckets: kind }) => {
      const labelNames: string[] = histogramsByJob ? [...labels] : []
      return new Histogram({ name, help, labelNames, buckets: buckets[kind], registers })
    })
    this.gaugeOf = mapOf(
      eventGauges,
      (name, { help, labels }) => new Gauge({ name, help, labelNames: [...labels], registers, aggregator: 'max' }),
    )
    this.#all = new Map<string, Metric>([...this.counterOf, ...this.histogramOf, ...this.gaugeOf])
    this.#registry = registry
    this.#shape = shapeOf(options)
  }

  /**
   * Returns whether the next scheduler can continue these metrics: its options are equal, and the registry still contains all
   * metrics.
   */
  suits(options: Required<PrometheusMetricsOptions>): boolean {
    return this.#shape === shapeOf(options) && [...this.#all.keys()].every((name) => this.has(name))
  }

  /** Returns whether the registry's metric of this name is one of the metrics of this object. */
  has(name: string): boolean {
    const metric = this.#all.get(name)
    return metric !== undefined && this.#registry.getSingleMetric(name) === metric
  }

  /** Removes the metrics from the registry. */
  remove(): void {
    for (const name of this.#all.keys()) if (this.has(name)) this.#registry.removeSingleMetric(name)
  }
}

function shapeOf({ durationBuckets, latenessBuckets, histogramsByJob }: Required<PrometheusMetricsOptions>): string {
  return JSON.stringify([durationBuckets, latenessBuckets, histogramsByJob])
}

function mapOf<Kind, Made>(
  definitions: Readonly<Record<string, Kind>>,
  make: (name: string, definition: Kind) => Made,
): ReadonlyMap<string, Made> {
  return new Map(Object.entries(definitions).map(([name, definition]) => [name, make(name, definition)]))
}
