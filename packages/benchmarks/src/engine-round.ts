import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'

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

export interface EngineRound {
  /** One-task occurrences per second of real time, from the slot to the durable end. */
  readonly perSecond: number
  readonly occurrences: number
}

/**
 * Runs the whole engine: `count` jobs of one task fire every second of a virtual clock that moves on as soon as
 * everything is done, so what is measured is work and no waiting. Later runs on the same storage begin later.
 */
export async function runEngine(
  storage: Storage,
  seconds: number,
  { startAt = firstInstant, count = jobCount, concurrency = count, prefetch }: EngineRoundOptions = {},
): Promise<EngineRound> {
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
  const startedAt = performance.now()
  await clock.advance({ seconds })
  const elapsedMs = performance.now() - startedAt
  await scheduler.shutdown()
  if (runs !== seconds * count) throw new Error(`${runs} runs instead of ${seconds * count}.`)
  return { perSecond: (runs * 1000) / elapsedMs, occurrences: runs }
}
