import type { CounterLabels, GaugeValues, HistogramLabels, Metrics } from '../metrics/metrics.ts'

/** Keeps all metrics in memory, for tests. */
export interface MetricsCollector extends Metrics {
  /** The sum of a counter over all series whose labels include the given ones. */
  counter<Name extends keyof CounterLabels>(name: Name, labels?: Partial<CounterLabels[Name]>): number
  /** Every value that was observed, in order, over all series whose labels include the given ones. */
  observations<Name extends keyof HistogramLabels>(
    name: Name,
    labels?: Partial<HistogramLabels[Name]>,
  ): readonly number[]
  /** Reads the gauges of the scheduler. */
  readGauges(): Promise<GaugeValues>
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * A collector for tests.
 *
 * @example
 * const metrics = metricsCollector()
 * const scheduler = createScheduler({ storage, jobs, metrics })
 * // …
 * metrics.counter('scheduler_job_occurrences_total', { status: 'completed' })
 */
export function metricsCollector(): MetricsCollector {
  const counted: Sample[] = []
  const observed: Sample[] = []
  let read: (() => Promise<GaugeValues>) | undefined
  return {
    increment(name, labels, by) {
      counted.push({ name, labels: { ...labels }, value: by })
    },
    observe(name, labels, value) {
      observed.push({ name, labels: { ...labels }, value })
    },
    gauges(reader) {
      read = reader
    },
    counter(name, labels = {}) {
      return matching(counted, name, labels).reduce((sum, sample) => sum + sample.value, 0)
    },
    observations(name, labels = {}) {
      return matching(observed, name, labels).map((sample) => sample.value)
    },
    readGauges() {
      if (read === undefined) return Promise.reject(new Error('No scheduler was given this collector.'))
      return read()
    },
  }
}

function matching(samples: readonly Sample[], name: string, labels: object): Sample[] {
  const wanted = Object.entries(labels)
  return samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  )
}
