import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** A slot that nobody has decided about for longer than this. Nodes look once a second. */
const lateMs = 30_000

/** Jobs whose slot is due, and nobody has decided about it. */
export async function jobLate({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs
    .filter(({ nextAt }) => nextAt !== null && now - nextAt > lateMs)
    .map(({ name, nextAt }) => ({
      code: 'JOB_LATE',
      severity: 'error',
      job: name,
      message: `The slot of ${name} at ${new Date(nextAt as number).toISOString()} is ${duration(now - (nextAt as number))} late: no node has decided about it.`,
      remedy:
        'Start a node that has the code of the job and can revive its schedule; what becomes of missed slots is its recoveryStrategy.',
    }))
}
