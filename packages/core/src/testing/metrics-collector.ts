import { readChoice, readObject } from '../configuration/read-value.ts'
import { JobistemerError } from '../errors.ts'
import type { CounterLabels, EventGaugeLabels, GaugeValues, HistogramLabels, Metrics } from '../metrics/metrics.ts'

/** Keeps all metrics in memory, for tests. */
export interface MetricsCollector extends Metrics {
  /**
   * Returns the value of a counter; 0 if nothing was counted. Adds the values of all series whose labels include the given
   * labels.
   * @throws JobistemerError `INVALID_ARGUMENT` if no counter has this name, `UNKNOWN_OPTION` if the counter lacks a given label
   */
  counter<Name extends keyof CounterLabels>(name: Name, labels?: Partial<CounterLabels[Name]>): number
  /**
   * Returns the observed values of a histogram, in seconds and in order, over all series whose labels include the given labels.
   * @throws JobistemerError `INVALID_ARGUMENT` if no histogram has this name, `UNKNOWN_OPTION` if the histogram lacks a given
   *   label
   */
  observations<Name extends keyof HistogramLabels>(
    name: Name,
    labels?: Partial<HistogramLabels[Name]>,
  ): readonly number[]
  /**
   * Returns the last value that the scheduler set for a gauge, over all series whose labels include the given labels; `null` if
   * the gauge was never set.
   * @throws JobistemerError `INVALID_ARGUMENT` if no gauge has this name, `UNKNOWN_OPTION` if the gauge lacks a given label
   */
  lastSet<Name extends keyof EventGaugeLabels>(name: Name, labels?: Partial<EventGaugeLabels[Name]>): number | null
  /** Reads the gauges of the scheduler that uses the collector. Rejects with `SCHEDULER_STATE` if no scheduler uses it. */
  readGauges(): Promise<GaugeValues>
}

const counterLabels: Readonly<Record<keyof CounterLabels, readonly string[]>> = {
  scheduler_task_attempts_total: ['job', 'task', 'status'],
  scheduler_job_occurrences_total: ['job', 'status'],
  scheduler_recovery_runs_total: ['job', 'strategy'],
  scheduler_takeovers_total: ['job', 'reason'],
  scheduler_losses_total: ['job'],
  scheduler_storage_failures_total: ['operation'],
}

const histogramLabels: Readonly<Record<keyof HistogramLabels, readonly string[]>> = {
  scheduler_job_execution_duration_seconds: ['job'],
  scheduler_task_execution_duration_seconds: ['job', 'task'],
  scheduler_start_lateness_seconds: ['job'],
  scheduler_queue_wait_seconds: ['job'],
}

const gaugeLabels: Readonly<Record<keyof EventGaugeLabels, readonly string[]>> = {
  scheduler_job_last_success_timestamp_seconds: ['job'],
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Partial<Record<string, string>>>
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
  let samples: Sample[] = []
  let read: (() => Promise<GaugeValues>) | undefined
  const add = (name: string, labels: object, value: number): void => {
    samples.push({ name, labels: { ...labels }, value })
  }
  const valuesOf = (
    known: Readonly<Record<string, readonly string[]>>,
    name: string,
    labels: object = {},
  ): number[] => {
    // The value of an unknown name or label would always be 0, so a test that expects 0 could never fail.
    readObject(labels, 'labels', known[readChoice(name, Object.keys(known), 'name')] ?? [])
    const wanted = Object.entries(labels)
    const found = samples.filter(
      (one) => one.name === name && wanted.every(([label, value]) => one.labels[label] === value),
    )
    return found.map(({ value }) => value)
  }
  return {
    increment: add,
    observe: add,
    set: add,
    removeJob(job) {
      samples = samples.filter(({ labels }) => labels.job !== job)
    },
    gauges(reader) {
      read = reader
    },
    counter: (name, labels) => valuesOf(counterLabels, name, labels).reduce((sum, value) => sum + value, 0),
    observations: (name, labels) => valuesOf(histogramLabels, name, labels),
    lastSet: (name, labels) => valuesOf(gaugeLabels, name, labels).at(-1) ?? null,
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
