import type { OccurrenceId } from '@jobistemer/core'
import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import type { WorkloadTask } from './workload-job.ts'

/** What an attempt of a task does if it is not aborted. */
export interface Behaviour {
  /** Duration of the attempt, in ms; `null`: the attempt runs until it is aborted. */
  readonly durationMs: number | null
  readonly fails: boolean
}

/** Returns the behavior of an attempt, which depends only on the seed, the task and the attempt. */
export function behaviourOf(
  task: WorkloadTask,
  attempt: { readonly seed: string; readonly occurrence: OccurrenceId; readonly number: number },
): Behaviour {
  const random = new SeededRandom(`${attempt.seed}:${attempt.occurrence}:${task.name}:${attempt.number}`)
  const durationMs = random.between(...task.durationMs)
  const fails = random.chance(task.failing ?? 0)
  const isEndless = random.chance(task.endless ?? 0)
  return { durationMs: isEndless ? null : durationMs, fails }
}
