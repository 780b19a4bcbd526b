import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { type Cost, costOf } from './cost.ts'

/** How many jobs fire at each instant. */
export const jobCount = 1000

/** Before the measurement, so that everything is compiled and cached. */
export const warmUpSeconds = 5

/** Where the virtual clock begins, in epoch milliseconds. */
export const firstInstant: number = Date.UTC(2026, 0, 1)

export interface EngineRoundOptions {
  /** Default {@link firstInstant}. */
  readonly startAt?: number
  /** How many jobs are due at each instant. Default {@link jobCount}. */
  readonly count?: number
  /** How many run at once. Default: all that are due. */
  readonly concurrency?: number
  /** How many slots a node takes ahead. Default: the scheduler's own. */
  readonly prefetch?: number | undefined
}

/** Calls `work`, in which this many occurrences run, once or several times, and returns what it measures. */
export type Measure<Measured> = (occurrences: number, work: () => Promise<void>) => Promise<Measured>

/**
 * Runs the whole engine: `count` jobs of one task fire every second of a virtual clock that moves on as soon as
 * everything is done, so what is measured is work and no waiting. Later runs on the same storage begin later.
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
  // Handlers here wait for nothing real, and to look whether they do is no work of the engine.
  const clock = virtualClock(startAt, { patience: 0 })
  // A virtual second takes a fraction of a real one: what a node does every few seconds it would do all the time.
  const rarely = { hours: 1 }
  const scheduler = createScheduler({
    storage,
    jobs,
    clock,
    maxConcurrentJobs: concurrency,
    ...(prefetch !== undefined && { prefetch }),
    pollInterval: rarely,
    reapInterval: rarely,
    definitionInterval: rarely,
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
  if (runs !== expected) throw new Error(`${runs} runs instead of ${expected}.`)
  return measured
}
