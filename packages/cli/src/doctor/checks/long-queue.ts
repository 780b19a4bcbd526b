import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

const many = 10_000

/** Reports a very large number of waiting runs. */
export async function longQueue({ storage }: Survey): Promise<readonly Finding[]> {
  const { counts } = await storage.get({ counts: ['all'] })
  const { pending = 0, queued = 0, running = 0 } = counts[0] ?? {}
  if (pending + queued < many) return []
  return [
    {
      code: 'QUEUE_LONG',
      severity: 'warning',
      message: `${pending} runs are pending and ${queued} queued, while ${running} run.`,
      remedy:
        'Find the job (jobistemer counts NAME); start more nodes, raise maxConcurrentJobs, or cancel what is not needed.',
    },
  ]
}
