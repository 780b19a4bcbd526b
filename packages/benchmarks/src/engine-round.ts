import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { type Cost, costOf } from './cost.ts'

/** Number of jobs that are due at each instant. */
export const jobCount = 1000

/** Duration of the warm-up before the measurement, in virtual seconds. Code is then compiled and data cached. */
export const warmUpSeconds = 5

/** Start of the virtual clock, in epoch milliseconds. */
export const firstInstant: number = Date.UTC(2026, 0, 1)

export interface EngineRoundOptions {
  /** Default {@link firstInstant}. */
  readonly startAt?: number
  /** Number of jobs that are due at each instant. Default {@link jobCount}. */
  readonly count?: number
  /** Number of runs at once. Default: all due ones. */
  readonly concurrency?: number
  /** Number of slots that a node prefetches. Default: the scheduler's default. */
  readonly prefetch?: number | undefined
}

/** Calls `work` once or several times, each with this many occurrences, and returns its measurement. */
export type Measure<Measured> = (occurrences: number, work: () => Promise<void>) => Promise<Measured>

/**
 * Runs the whole engine: `count` jobs with one task are due every second of a virtual clock. The clock moves on when all work
 * is done, so the measurement contains no waiting. Later runs on the same storage start at a later time.
 */
export function runEngine(storage: Storage, seconds: number, options: EngineRoundOptions = {}): Promise<Cost> {
  return measureEngine(storage, seconds, options, costOf)
}

/** As {@link runEngine}, with another measure. */
export async function measureEngine<Measured>(
  storage: Storage,
  seconds: number,
  { startAt = firstInstant, count = jobCount, concurrency = count, prefetch }: EngineRoundOptions,
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
  // Handlers here wait for nothing real, and the check whether they do is no work of the engine.
  const clock = virtualClock(startAt, { patience: 0 })
  // A virtual second takes a fraction of a real one. With default intervals, periodic work would run all the time.
  const rarely = { hours: 1 }
  const scheduler = createScheduler({
    storage,
    jobs,
    clock,
    maxConcurrentJobs: concurrency,
    ...(prefetch !== undefined && { prefetch }),
    pollInterval: rarely,
    // No option sets this interval.
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
  if (runs !== expected) throw new Error(`The nodes did ${runs} runs instead of ${expected}.`)
  return measured
}
