import { type JobId, jobId, type StartRate, toDurationMs } from '@jobistemer/core'
import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { checkLedger } from '@jobistemer/storage-conformance'
import { cron } from '@jobistemer/ticker-cron'
import type { WorkloadJob } from '../workload/workload-job.ts'
import type { CheckedJob } from './recorded-run.ts'
import type { Violation } from './violation.ts'

/** Returns the properties that the stored records of a workload's job must have. */
export function checkedJob({ name, cron: expression, settings, tasks }: WorkloadJob): CheckedJob {
  const schedule = cron(expression)
  return {
    id: jobId(name),
    name,
    isExclusive: settings.overlapPolicy !== 'allow',
    movingTasks: tasks.filter((task) => task.moves).map((task) => task.name),
    places: settings.maxConcurrency ?? 1,
    startRate: startRateOf(settings),
    *slots(after, until) {
      for (let at = schedule.nextMs(after); at !== null && at <= until; at = schedule.nextMs(at)) yield at
    },
  }
}

function startRateOf({ startRate = 'unlimited' }: WorkloadJob['settings']): StartRate | null {
  if (startRate === 'unlimited') return null
  return { limit: startRate.limit, intervalMs: toDurationMs(startRate.interval, 'startRate.interval') }
}

/** Returns whether the schedule in force at the instant `at` had already ended. */
function isPastTheEnd(timeline: JobRecord['timeline'], at: number): boolean {
  const segment = timeline.find(({ after, until }) => (after === null || at > after) && (until === null || at <= until))
  const end = (segment?.schedule as { readonly end?: string } | null | undefined)?.end
  return end !== undefined && at > Date.parse(end)
}

/** Checks that the records of a storage without running nodes are consistent. */
export async function checkStoredLedger(storage: Storage, jobs: readonly CheckedJob[]): Promise<readonly Violation[]> {
  const names = new Map<JobId, string>(jobs.map((job) => [job.id, job.name]))
  const { violations } = await checkLedger(storage, {
    // The expected slots come from the first definition. Later definitions only end the schedule, or restore the first
    // definition after a node has restarted. So they add no other slots.
    slots: ({ id, timeline }, after, until) =>
      [...(jobs.find((job) => job.id === id)?.slots(after, until) ?? [])].filter((at) => !isPastTheEnd(timeline, at)),
    exclusive: ({ id }) => jobs.find((job) => job.id === id)?.isExclusive ?? false,
    atRest: true,
  })
  return violations.map(({ rule, jobId: id, occurrenceId, message }) => ({
    rule: 'ledger',
    job: id === null ? null : (names.get(id) ?? id),
    occurrence: occurrenceId,
    message: `${rule}: ${message}`,
  }))
}
