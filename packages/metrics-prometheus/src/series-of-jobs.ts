/** A metric whose series can be taken away. */
interface Removable {
  remove(labels: Record<string, string>): void
}

/** Which series each job has, as prom-client takes away a series by all of its labels alone. */
export class SeriesOfJobs {
  readonly #series = new Map<string, Map<Removable, Map<string, Record<string, string>>>>()

  /** Remembers the series of a metric that has these labels, and answers the labels as the metric takes them. */
  kept(metric: Removable, labels: Readonly<Record<string, string>>): Record<string, string> {
    const own = { ...labels }
    const { job } = own
    if (job === undefined) return own
    const metrics = getOrAdd(this.#series, job, () => new Map<Removable, Map<string, Record<string, string>>>())
    const known = getOrAdd(metrics, metric, () => new Map<string, Record<string, string>>())
    return getOrAdd(known, JSON.stringify(own), () => own)
  }

  /** Takes away all series of a job. */
  remove(job: string): void {
    for (const [metric, known] of this.#series.get(job) ?? [])
      for (const labels of known.values()) metric.remove(labels)
    this.#series.delete(job)
  }
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
