import { counted } from '../../output/counted.ts'
import type { JobId } from '@jobistemer/core'
import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { nameOf } from '../name-of.ts'
import type { Survey } from '../survey.ts'

const longMs = 5 * 60_000

/** Jobs of which runs wait for a node for long; one finding a job, about the oldest. */
export async function runWaits(survey: Survey): Promise<readonly Finding[]> {
  const { pending, jobs, now } = survey
  const paused = new Set(jobs.filter((job) => job.paused !== null).map(({ id }) => id))
  const waiting = pending.filter(({ dueAt, jobId }) => now - dueAt > longMs && !paused.has(jobId))
  const byJob = grouped(waiting)
  return [...byJob.entries()].map(([jobId, records]) => {
    const job = nameOf(survey, jobId)
    const oldest = records.reduce((first, record) => (record.dueAt < first.dueAt ? record : first))
    return {
      code: 'RUN_WAITS',
      severity: 'warning',
      job,
      run: oldest.id,
      message: `${counted(records.length, 'pending run')} of ${job}, the oldest for ${duration(now - oldest.dueAt)}.`,
      remedy:
        'All nodes are full, or none has the code: see the other findings, raise maxConcurrentJobs, or start more nodes.',
    }
  })
}

function grouped(records: readonly OccurrenceRecord[]): ReadonlyMap<JobId, readonly OccurrenceRecord[]> {
  const groups = new Map<JobId, OccurrenceRecord[]>()
  for (const record of records) groups.set(record.jobId, [...(groups.get(record.jobId) ?? []), record])
  return groups
}
