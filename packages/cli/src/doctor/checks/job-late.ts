import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Tolerance for an overdue slot, in ms. Nodes scan for overdue slots once a second. */
const lateMs = 30_000

/** Reports jobs with an overdue slot that no node has launched or skipped. */
export async function jobLate({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs
    .filter(({ nextAt }) => nextAt !== null && now - nextAt > lateMs)
    .map(({ name, nextAt }) => ({
      code: 'JOB_LATE',
      severity: 'error',
      job: name,
      message: `The slot of ${name} at ${new Date(nextAt as number).toISOString()} is ${duration(now - (nextAt as number))} late: no node has decided about it.`,
      remedy:
        'Start a node that has the code of the job and its schedule type; the recoveryStrategy of the job decides which missed slots run.',
    }))
}
