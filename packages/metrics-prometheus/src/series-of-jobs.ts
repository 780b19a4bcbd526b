/** A prom-client metric that can remove single series. */
interface Removable {
  remove(labels: Record<string, string>): void
}

/** Stores the label sets of each job, because prom-client removes a series only by all of its labels. */
export class SeriesOfJobs {
  readonly #series = new Map<string, Map<Removable, Map<string, Record<string, string>>>>()

  /**
   * Stores the labels of a series under the value of the label `job`, for a later {@link remove}. Returns a copy of the labels,
   * which the caller passes to the metric. Equal labels of a metric share one copy. Labels without `job` are only copied.
   */
  kept(metric: Removable, labels: Readonly<Record<string, string>>): Record<string, string> {
    const own = { ...labels }
    const { job } = own
    if (job === undefined) return own
    const metrics = getOrAdd(this.#series, job, () => new Map<Removable, Map<string, Record<string, string>>>())
    const known = getOrAdd(metrics, metric, () => new Map<string, Record<string, string>>())
    return getOrAdd(known, JSON.stringify(own), () => own)
  }

  /** Removes all series of a job. */
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
