import type { JobSettingsInput } from '@jobistemer/core'
import { SeededRandom } from '@jobistemer/test-kit'
import type { SimulatedJob } from './simulated-job.ts'

/**
 * Returns a priority, mostly 0. One level of priority counts as much as an hour of waiting, and a simulation lasts less than an
 * hour. So an occurrence with a higher priority always precedes one with a lower priority.
 */
export function drawPriority(random: SeededRandom): number {
  return random.pick([0, 0, 0, 1, 1, -1, 5])
}

/**
 * Adds a random priority to the settings. Also adds a random `maxConcurrency` and perhaps a start rate, unless the overlap
 * policy is `allow` or `cancel_running`. Settings without an overlap policy stay unchanged.
 */
export function withPlaces(settings: JobSettingsInput, random: SeededRandom): JobSettingsInput {
  const { overlapPolicy } = settings
  if (overlapPolicy === undefined) return settings
  const hasPlaces = overlapPolicy !== 'allow' && overlapPolicy !== 'cancel_running'
  const maxConcurrency = hasPlaces ? random.pick([1, 2, 3, 3]) : 1
  const hasRate = hasPlaces && random.chance(0.5)
  const startRate = { limit: random.pick([1, 2, 3]), interval: random.pick([500, 2000, 5000, 10_000]) }
  return { ...settings, maxConcurrency, startRate: hasRate ? startRate : 'unlimited', priority: drawPriority(random) }
}

/** Adds concurrency limits, start rates and priorities to jobs, and makes their tasks long enough to overlap. */
export function jobsWithPlaces(jobs: readonly SimulatedJob[], seed: number): readonly SimulatedJob[] {
  const random = new SeededRandom(`places in ${seed}`)
  return jobs.map((job) => ({
    ...job,
    builds: job.builds.map((definition) => {
      const { tasks, intervalMs } = definition
      const isLong = random.chance(0.6)
      return {
        ...definition,
        settings: withPlaces(definition.settings, random),
        tasks: isLong ? tasks.map((task) => ({ ...task, longestMs: Math.max(task.longestMs, 4 * intervalMs) })) : tasks,
      }
    }),
  }))
}
