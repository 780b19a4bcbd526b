import { shellWord } from '../../shell-word.ts'
import type { Finding } from '../finding.ts'
import { definitionOf } from '../definition-of.ts'
import type { Survey } from '../survey.ts'

/** Reports jobs that no living node can run, because no living node has their code. */
export async function jobWithoutCode({ living, jobs, pending }: Survey): Promise<readonly Finding[]> {
  // If the profile of a living node is missing, `doctor` cannot know which jobs have code, and reports no job.
  if (living.length === 0 || living.some(({ capabilities }) => capabilities === null)) return []
  const waiting = new Set(pending.map(({ jobId }) => jobId))
  return jobs.flatMap((job) => {
    const { id, name, nextAt } = job
    const hasWork = nextAt !== null || waiting.has(id)
    const { tasks } = definitionOf(job)
    if (living.some(({ capabilities }) => capabilities?.canRun({ id, tasks }))) return []
    const missing = tasks.flatMap(({ handler }) =>
      handler === undefined ||
      living.some(({ capabilities }) => capabilities?.canRun({ id, tasks: [{ name: '', handler }] }))
        ? []
        : [handler],
    )
    const what = missing.length === 0 ? 'its code' : `the handlers that it needs: ${[...new Set(missing)].join(', ')}`
    return [
      {
        code: 'JOB_WITHOUT_CODE',
        severity: hasWork ? 'error' : 'warning',
        job: name,
        message: `No living node can run ${name}: none has ${what}.`,
        remedy: `Start a node that has it. If the job was removed from the code or renamed: jobistemer remove ${shellWord(name)}`,
      },
    ]
  })
}
