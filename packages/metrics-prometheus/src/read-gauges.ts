import type { GaugeValues } from '@jobistemer/core'
import { Gauge, type Registry } from 'prom-client'
import { gauges, oldGaugeNames } from './definitions.ts'

/** A function that reads the gauges of a scheduler. */
export type ReadGauges = () => Promise<GaugeValues>

/**
 * prom-client asks each gauge by itself: they share one reading per scrape. A gauge that is not known is not shown, as 0
 * would be a lie; one that threw would take the metrics of the whole application with it.
 *
 * @returns what takes them out of the registry
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
