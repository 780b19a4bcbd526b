import type { JobRecord } from '@jobistemer/core/storage'
import type { Finding } from './finding.ts'
import type { Survey } from './survey.ts'

/** Number of concurrent storage calls of a check. */
const atOnce = 16

/** Calls `ask` for each job, 16 jobs at a time. Returns the findings in the order of the jobs. */
export async function forEachJob(
  { jobs, signal }: Pick<Survey, 'jobs' | 'signal'>,
  ask: (job: JobRecord) => Promise<Finding | null>,
): Promise<readonly Finding[]> {
  const answers: (Finding | null)[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < jobs.length) {
      signal.throwIfAborted()
      const index = next++
      answers[index] = await ask(jobs[index] as JobRecord)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return answers.filter((answer): answer is Finding => answer !== null)
}
