import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client'
import { counters, eventGauges, histograms } from './definitions.ts'
import type { PrometheusMetricsOptions } from './prometheus-options.ts'
import { SeriesOfJobs } from './series-of-jobs.ts'

/** The names of all that is counted, measured and set. */
export const registeredNames: readonly string[] = [counters, histograms, eventGauges].flatMap((metrics) =>
  Object.keys(metrics),
)

/**
 * What is counted, measured and set in a registry. It outlives a scheduler: what was counted is not lost before the next
 * scrape, and the next scheduler of the process counts on.
 */
export class RegisteredMetrics {
  readonly counterOf: ReadonlyMap<string, Counter>
  readonly histogramOf: ReadonlyMap<string, Histogram>
  readonly gaugeOf: ReadonlyMap<string, Gauge>
  readonly series: SeriesOfJobs = new SeriesOfJobs()
  /** Who counts into them; `null` once that has ended. */
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
      (name, { help, labels }) => new Gauge({ name, help, labelNames: [...labels], registers }),
    )
    this.#all = new Map<string, Metric>([...this.counterOf, ...this.histogramOf, ...this.gaugeOf])
    this.#registry = registry
    this.#shape = shapeOf(options)
  }

  /** Returns whether the next scheduler can continue these metrics: the options are equal, and the registry has all of them. */
  suits(options: Required<PrometheusMetricsOptions>): boolean {
    return this.#shape === shapeOf(options) && [...this.#all.keys()].every((name) => this.has(name))
  }

  /** Whether the registry has one of this name, and it is of these. */
  has(name: string): boolean {
    const metric = this.#all.get(name)
    return metric !== undefined && this.#registry.getSingleMetric(name) === metric
  }

  /** Takes them out of the registry. */
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
