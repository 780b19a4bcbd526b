import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { type Cost, costOf } from './cost.ts'

/** Number of jobs that are due at each instant. */
export const jobCount = 1000

/** Default duration of the warm-up before the measurement, in virtual seconds. */
export const defaultWarmUpSeconds = 5

/** Start of the virtual clock, in epoch milliseconds. */
export const firstInstant: number = Date.UTC(2026, 0, 1)

export interface EngineRoundOptions {
  /** Start of the virtual clock, in epoch milliseconds. Default {@link firstInstant}. */
  readonly startAt?: number
  /** Number of jobs that are due at each instant. Default {@link jobCount}. */
  readonly count?: number
  /** Maximum number of concurrent runs. Default: all due runs. */
  readonly concurrency?: number
  /** Number of slots that the node prefetches. Default: the scheduler's default. */
  readonly prefetch?: number | undefined
  /** Duration of the warm-up before the measurement, in virtual seconds. Default {@link defaultWarmUpSeconds}. */
  readonly warmUpSeconds?: number | undefined
}

/**
 * Measures a benchmark: calls `work` one or more times and returns the measurement. Each call of `work` runs
 * `occurrences` occurrences.
 */
export type Measure<Measured> = (occurrences: number, work: () => Promise<void>) => Promise<Measured>

/**
 * Measures the whole engine: `count` one-task jobs are due every second of a virtual clock. The clock advances when all work is
 * done, so the measurement contains no waiting. A second call on the same storage needs a `startAt` after the virtual time at
 * which the first call ended.
 */
export function runEngine(storage: Storage, seconds: number, options: EngineRoundOptions = {}): Promise<Cost> {
  return measureEngine(storage, seconds, options, costOf)
}

/** Runs the same benchmark as {@link runEngine}, but measures with the function `measure` of the caller. */
export async function measureEngine<Measured>(
  storage: Storage,
  seconds: number,
  {
    startAt = firstInstant,
    count = jobCount,
    concurrency = count,
    prefetch,
    warmUpSeconds = defaultWarmUpSeconds,
  }: EngineRoundOptions,
  measure: Measure<Measured>,
): Promise<Measured> {
  let runs = 0
  const schedule = cron('* * * * * *')
  const jobs = Array.from({ length: count }, (_, index) =>
    defineJob({
      name: `job-${index}`,
      schedule,
      tasks: [
        {
          name: 'work',
          run: async () => {
            runs++
          },
        },
      ],
    }),
  )
  // Handlers do no real work, so the clock need not wait for them: patience 0 saves the cost of this wait.
  const clock = virtualClock(startAt, { patience: 0 })
  // A virtual second takes a fraction of a real second, so default intervals would keep the node busy with periodic work.
  const rarely = { hours: 1 }
  const scheduler = createScheduler({
    storage,
    jobs,
    clock,
    maxConcurrentJobs: concurrency,
    ...(prefetch !== undefined && { prefetch }),
    pollInterval: rarely,
    // Sets the interval of the reaper, an internal setting without a public option.
    [Symbol.for('jobistemer.reapInterval')]: 3_600_000,
  })
  await scheduler.start()
  await clock.advance({ seconds: warmUpSeconds })
  runs = 0
  let expected = 0
  const measured = await measure(seconds * count, () => {
    expected += seconds * count
    return clock.advance({ seconds })
  })
  await scheduler.shutdown()
  if (runs !== expected) throw new Error(`The nodes ran ${runs} occurrences instead of ${expected}.`)
  return measured
}
