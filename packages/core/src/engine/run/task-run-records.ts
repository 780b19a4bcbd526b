import type { AttemptRecord, TaskRunRecord } from '../../storage/occurrence-record.ts'
import type { TaskPlan } from '../jobs/job-plan.ts'

/** The record with attempts that have not ended marked as lost. */
export function withLostAttempts(record: TaskRunRecord, now: number | null): TaskRunRecord {
  const unfinished = (attempt: AttemptRecord) => attempt.state === 'running' || attempt.state === 'waiting'
  if (!record.attempts.some(unfinished)) return record
  return {
    ...record,
    attempts: record.attempts.map((attempt) =>
      unfinished(attempt) ? { ...attempt, state: 'lost' as const, endedAt: now } : attempt,
    ),
  }
}

/** The record of a task that nobody goes on with; one that has ended stays as it is. */
export function abandoned(
  record: TaskRunRecord,
  how: { readonly state: 'failed' | 'canceled'; readonly reason: string; readonly now: number },
): TaskRunRecord {
  if (record.state !== 'running' && record.state !== 'retrying') return record
  return { ...withLostAttempts(record, how.now), state: how.state, reason: how.reason }
}

/** The task runs that an occurrence starts with: the first task, or all of them, with their first attempts running. */
export function initialRuns(plans: readonly TaskPlan[], parallel: boolean, now: number): TaskRunRecord[] {
  const first = parallel ? plans : plans.slice(0, 1)
  return first.map((plan) => ({
    task: plan.name,
    state: 'running',
    attempts: [{ number: 1, state: 'running', startedAt: now, endedAt: null }],
  }))
}

/** The runs of tasks that the plan does not have (any more): they are over. */
export function runsWithoutTask(
  runs: readonly TaskRunRecord[],
  plans: readonly TaskPlan[],
  now: number,
): readonly TaskRunRecord[] {
  return runs
    .filter((run) => !plans.some((plan) => plan.name === run.task))
    .map((run) => abandoned(run, { state: 'canceled', reason: 'no_handler', now }))
}
