import { counted } from '../../output/counted.ts'
import type { JobId } from '@jobistemer/core'
import { claimableFrom, type OccurrenceRecord } from '@jobistemer/core/storage'
import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { nameOf } from '../name-of.ts'
import type { Survey } from '../survey.ts'

const longMs = 5 * 60_000

/** Reports each job whose oldest pending run has waited too long for a node. */
export async function runWaits(survey: Survey): Promise<readonly Finding[]> {
  const { pending, jobs, now } = survey
  const pauses = new Map(jobs.map(({ id, paused }) => [id, paused]))
  const since = ({ dueAt, jobId }: OccurrenceRecord) => claimableFrom({ paused: pauses.get(jobId) ?? null }, dueAt)
  const waiting = pending.filter((record) => now - since(record) > longMs)
  const byJob = grouped(waiting)
  return [...byJob.entries()].map(([jobId, records]) => {
    const job = nameOf(survey, jobId)
    const oldest = records.reduce((first, record) => (since(record) < since(first) ? record : first))
    return {
      code: 'RUN_WAITS',
      severity: 'warning',
      job,
      run: oldest.id,
      message: `${counted(records.length, 'pending run')} of ${job}, the oldest for ${duration(now - since(oldest))}.`,
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
