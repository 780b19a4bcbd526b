import { counted } from '../../output/counted.ts'
import { isPausedAt } from '@jobistemer/core/storage'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports that no node lives although the storage has scheduled jobs or waiting runs. */
export async function noNodeLives({ living, jobs, pending, now }: Survey): Promise<readonly Finding[]> {
  const scheduled = jobs.filter((job) => job.nextAt !== null && !isPausedAt(job, now)).length
  if (living.length > 0 || scheduled + pending.length === 0) return []
  return [
    {
      code: 'NO_NODE_LIVES',
      severity: 'error',
      message: `No node lives: ${counted(scheduled, 'scheduled job')} and ${counted(pending.length, 'pending run')} wait for one.`,
      remedy: 'Start a process that runs createScheduler(…).start() on this storage, or find out why it ended.',
    },
  ]
}
