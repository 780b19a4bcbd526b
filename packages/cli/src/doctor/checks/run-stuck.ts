import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { nameOf } from '../name-of.ts'
import type { Survey } from '../survey.ts'

/** Beyond its deadline and the reaper's grace. */
const graceMs = 60_000

/** Runs that should have been ended long ago: nobody reaps them. */
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
        message: `A run of ${job} is ${duration(now - (record.deadlineAt as number))} beyond its executionTimeout, and nobody has ended it.`,
        remedy: `A living node ends it within seconds. At once: jobistemer cancel --force ${record.id}.`,
      }
    })
}
