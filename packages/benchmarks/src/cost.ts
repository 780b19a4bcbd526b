/** What one occurrence cost on average. */
export interface Cost {
  readonly perSecond: number
  /** Microseconds of this process's user CPU time, garbage collection included. */
  readonly cpuUs: number
}

/** Runs `work` and divides its cost among the occurrences. */
export async function costOf(occurrences: number, work: () => Promise<void>): Promise<Cost> {
  const before = process.cpuUsage()
  const startedAt = performance.now()
  await work()
  const elapsedMs = performance.now() - startedAt
  return { perSecond: (occurrences * 1000) / elapsedMs, cpuUs: process.cpuUsage(before).user / occurrences }
}
