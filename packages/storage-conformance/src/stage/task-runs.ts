import type { JsonValue } from '@jobistemer/core'
import type { TaskRunRecord } from '@jobistemer/core/storage'

/** Returns the task runs of a started occurrence: its first attempt is already stored. */
export function firstAttempt(at: number, task = 'work'): readonly TaskRunRecord[] {
  return [{ task, state: 'running', attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }] }]
}

/** Returns the task runs of an occurrence whose only attempt succeeded. */
export function succeeded(startedAt: number, endedAt: number, result?: JsonValue): readonly TaskRunRecord[] {
  return [
    {
      task: 'work',
      state: 'completed',
      attempts: [{ number: 1, state: 'succeeded', startedAt, endedAt }],
      ...(result === undefined ? {} : { result }),
    },
  ]
}

/** Returns task runs in which every unfinished attempt has ended as `lost`. */
export function withLostAttempts(runs: readonly TaskRunRecord[], at: number): readonly TaskRunRecord[] {
  return runs.map((run) => ({
    ...run,
    state: run.state === 'running' ? 'retrying' : run.state,
    attempts: run.attempts.map((attempt) =>
      attempt.state === 'running' ? { ...attempt, state: 'lost', endedAt: at } : attempt,
    ),
  }))
}

/** Returns the given task runs with one more running attempt. */
export function withNextAttempt(runs: readonly TaskRunRecord[], at: number): readonly TaskRunRecord[] {
  const [run, ...others] = runs
  if (run === undefined) return firstAttempt(at)
  const next = { number: run.attempts.length + 1, state: 'running', startedAt: at, endedAt: null } as const
  return [{ ...run, state: 'running', attempts: [...run.attempts, next] }, ...others]
}
