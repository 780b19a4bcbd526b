import { JobistemerError } from '../errors.ts'
import type { CounterLabels, EventGaugeLabels, GaugeValues, HistogramLabels, Metrics } from '../metrics/metrics.ts'

/** Keeps all metrics in memory, for tests. */
export interface MetricsCollector extends Metrics {
  /**
   * Returns the value of a counter; 0 if nothing was counted. Adds the values of all series whose labels include the given
   * labels.
   */
  counter<Name extends keyof CounterLabels>(name: Name, labels?: Partial<CounterLabels[Name]>): number
  /**
   * Returns the observed values of a histogram, in seconds and in order, over all series whose labels include the given labels.
   */
  observations<Name extends keyof HistogramLabels>(
    name: Name,
    labels?: Partial<HistogramLabels[Name]>,
  ): readonly number[]
  /**
   * Returns the last value that the scheduler set for a gauge; `null` if the gauge was never set. If the labels of several
   * series include the given labels, returns the value of the first series.
   */
  lastSet<Name extends keyof EventGaugeLabels>(name: Name, labels?: Partial<EventGaugeLabels[Name]>): number | null
  /** Reads the gauges of the scheduler that uses the collector. Rejects with `SCHEDULER_STATE` if no scheduler uses it. */
  readGauges(): Promise<GaugeValues>
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * Makes a metrics collector for tests, which keeps all metrics in memory.
 *
 * @example
 * const metrics = metricsCollector()
 * const scheduler = createScheduler({ storage, jobs, metrics })
 * // …
 * metrics.counter('scheduler_job_occurrences_total', { status: 'completed' })
 */
export function metricsCollector(): MetricsCollector {
  let counted: Sample[] = []
  let observed: Sample[] = []
  let latest: Sample[] = []
  let read: (() => Promise<GaugeValues>) | undefined
  return {
    increment(name, labels, by) {
      counted.push({ name, labels: { ...labels }, value: by })
    },
    observe(name, labels, value) {
      observed.push({ name, labels: { ...labels }, value })
    },
    set(name, labels, value) {
      const others = latest.filter((sample) => matching([sample], name, labels).length === 0)
      latest = [...others, { name, labels: { ...labels }, value }]
    },
    removeJob(job) {
      const isOther = ({ labels }: Sample): boolean => labels.job !== job
      counted = counted.filter(isOther)
      observed = observed.filter(isOther)
      latest = latest.filter(isOther)
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
    lastSet(name, labels = {}) {
      return matching(latest, name, labels)[0]?.value ?? null
    },
    async readGauges() {
      if (read !== undefined) return read()
      throw new JobistemerError('SCHEDULER_STATE', {
        message: 'No scheduler was given this collector.',
        field: 'metrics',
        value: undefined,
        remedy: 'Pass it to createScheduler({ metrics }).',
      })
    },
  }
}

function matching(samples: readonly Sample[], name: string, labels: object): Sample[] {
  const wanted = Object.entries(labels)
  return samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  )
}
