import type { Finding } from '../finding.ts'
import { nameOf } from '../name-of.ts'
import type { Survey } from '../survey.ts'

/** Reports live runs whose stored row is damaged. A node that starts a damaged run ends the run as failed. */
export async function runUnreadable(survey: Survey): Promise<readonly Finding[]> {
  return [...survey.running, ...survey.pending, ...survey.queued].flatMap(({ id, jobId, state, details }) => {
    if (details.unreadable === undefined) return []
    const job = nameOf(survey, jobId)
    return [
      {
        code: 'RUN_UNREADABLE',
        severity: 'error',
        job,
        run: id,
        message: `The stored ${details.unreadable} of a ${state} run of ${job} cannot be read: the run will fail.`,
        remedy: `End it: jobistemer cancel --force ${id}. Then request it again: jobistemer trigger, with its data.`,
      },
    ]
  })
}
