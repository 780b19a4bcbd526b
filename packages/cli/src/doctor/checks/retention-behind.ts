import { type OccurrenceState, finalStates } from '@jobistemer/core/storage'
import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { forEachJob } from '../for-each-job.ts'
import { retentionOf } from '../definition-of.ts'
import { firstOccurrences } from '../first-occurrences.ts'
import type { Survey } from '../survey.ts'

/**
 * Minimum excess over the retention, in ms, from which old history is reported. Less excess is normal. The nodes remove a
 * job's old history only about once a day, or more often if `olderThan` is short.
 */
const slackMs = 86_400_000

/** Reports jobs with history older than their retention. */
export async function retentionBehind(survey: Survey): Promise<readonly Finding[]> {
  const { now } = survey
  return forEachJob(survey, async (job) => {
    const retention = retentionOf(job)
    if (retention === null) return null
    const { olderThanMs, keep } = retention
    const states: readonly OccurrenceState[] = finalStates
    const to = now - olderThanMs - Math.max(slackMs, olderThanMs / 10)
    const old = await firstOccurrences(survey, { jobId: job.id, to, states, order: 'ascending' }, keep + 1)
    const [oldest] = old
    if (old.length <= keep || oldest === undefined) return null
    return {
      code: 'RETENTION_BEHIND',
      severity: 'warning',
      job: job.name,
      message: `History of ${job.name} is ${duration(now - oldest.scheduledAt)} old, although its retention is ${duration(olderThanMs)}.`,
      remedy: `Nodes remove it while they run. At once: jobistemer prune --older-than ${Math.ceil(olderThanMs / 86_400_000)}d --keep ${keep} --job '${job.name}'.`,
    }
  })
}
