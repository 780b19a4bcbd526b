import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { nameOf } from '../name-of.ts'
import type { Survey } from '../survey.ts'

/** Tolerance after the deadline of a run, in ms: longer than the reaper's grace period. */
const graceMs = 60_000

/** Reports runs that are long past their deadline, and that no node has reaped. */
export async function runStuck(survey: Survey): Promise<readonly Finding[]> {
  const { running, now } = survey
  return running
    .filter(({ deadlineAt }) => deadlineAt !== null && now - deadlineAt > graceMs)
    .map((record) => {
      const job = nameOf(survey, record.jobId)
      return {
        code: 'RUN_STUCK',
        severity: 'error',
        job,
        run: record.id,
        message: `A run of ${job} is ${duration(now - (record.deadlineAt as number))} beyond its executionTimeout, and no node has ended it.`,
        remedy: `A living node ends it within seconds. At once: jobistemer cancel --force ${record.id}.`,
      }
    })
}
