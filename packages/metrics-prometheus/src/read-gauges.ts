import type { GaugeValues } from '@jobistemer/core'
import { Gauge, type Registry } from 'prom-client'
import { gauges, oldGaugeNames } from './definitions.ts'

/** Reads the current values of all gauges of a scheduler. */
export type ReadGauges = () => Promise<GaugeValues>

/**
 * Registers the gauges, which share one read per scrape. A gauge with an unknown value is omitted, because 0 would be false. A
 * failed read must not fail the scrape of the whole application.
 *
 * @returns a function that removes the gauges from the registry
 */
export function registerGauges(registry: Registry, names: readonly string[], read: ReadGauges): () => void {
  let reading: Promise<Partial<GaugeValues>> | undefined
  const shared = () => {
    reading ??= readSafely(read).finally(() => {
      reading = undefined
    })
    return reading
  }
  const registered = new Map<string, Gauge>()
  for (const name of names) {
    const value = oldGaugeNames[name] ?? (name as keyof GaugeValues)
    const gauge: Gauge = new Gauge({
      name,
      help: gauges[value],
      registers: [registry],
      // In a cluster of Node.js, each process shows the same jobs and nodes. Only the runs of the processes add up.
      aggregator: value === 'scheduler_jobs_running' ? 'sum' : 'max',
      async collect() {
        const present = (await shared())[value]
        if (present === undefined) gauge.remove()
        else gauge.set(present)
      },
    })
    registered.set(name, gauge)
  }
  return () => {
    for (const [name, gauge] of registered) {
      if (registry.getSingleMetric(name) === gauge) registry.removeSingleMetric(name)
    }
  }
}

async function readSafely(read: ReadGauges): Promise<Partial<GaugeValues>> {
  try {
    return await read()
  } catch {
    return {}
  }
}
