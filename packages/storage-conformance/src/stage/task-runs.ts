import type { JsonValue } from '@jobistemer/core'
import type { TaskRunRecord } from '@jobistemer/core/storage'

/** The task runs that an occurrence starts with: the first attempt, written ahead. */
export function firstAttempt(at: number, task = 'work'): readonly TaskRunRecord[] {
  return [{ task, state: 'running', attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }] }]
}

/** The task runs of an occurrence whose only attempt succeeded. */
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

/** The task runs of an occurrence that lost its owner: every unfinished attempt ended as `lost`. */
export function withLostAttempts(runs: readonly TaskRunRecord[], at: number): readonly TaskRunRecord[] {
  return runs.map((run) => ({
    ...run,
    state: run.state === 'running' ? 'retrying' : run.state,
    attempts: run.attempts.map((attempt) =>
      attempt.state === 'running' ? { ...attempt, state: 'lost', endedAt: at, lostBy: 'node-a-1' } : attempt,
    ),
  }))
}

/** The same task runs with one more attempt under way. */
export function withNextAttempt(runs: readonly TaskRunRecord[], at: number): readonly TaskRunRecord[] {
  const [run, ...others] = runs
  if (run === undefined) return firstAttempt(at)
  const next = { number: run.attempts.length + 1, state: 'running', startedAt: at, endedAt: null } as const
  return [{ ...run, state: 'running', attempts: [...run.attempts, next] }, ...others]
}
