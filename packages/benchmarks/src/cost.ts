/** The average cost of one occurrence. */
export interface Cost {
  readonly perSecond: number
  /** User CPU time of this process in microseconds, including garbage collection. */
  readonly cpuUs: number
}

/** Adds up the cost of separate measurements, without the time between them. */
export class CostMeter {
  #elapsedMs = 0
  #cpuUs = 0

  async measure(work: () => Promise<void>): Promise<void> {
    const before = process.cpuUsage()
    const startedAt = performance.now()
    await work()
    this.#elapsedMs += performance.now() - startedAt
    this.#cpuUs += process.cpuUsage(before).user
  }

  per(occurrences: number): Cost {
    return { perSecond: (occurrences * 1000) / this.#elapsedMs, cpuUs: this.#cpuUs / occurrences }
  }
}

/** Runs `work` and returns its average cost per occurrence. */
export async function costOf(occurrences: number, work: () => Promise<void>): Promise<Cost> {
  const meter = new CostMeter()
  await meter.measure(work)
  return meter.per(occurrences)
}
