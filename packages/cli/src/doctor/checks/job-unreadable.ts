import { unreadablePartOf } from '@jobistemer/core/storage'
import { shellWord } from '../../shell-word.ts'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/**
 * Reports jobs whose stored row is damaged. A node can run a job with a damaged row only if the node has the code of the job.
 */
export async function jobUnreadable({ unreadable }: Survey): Promise<readonly Finding[]> {
  return unreadable.map((job) => {
    // Some storages keep the job's name inside the definition. If this definition is damaged, `doctor` uses the job's
    // id as its name.
    const isNameless = job.name === job.id
    const name = isNameless ? 'NAME' : shellWord(job.name)
    return {
      code: 'JOB_UNREADABLE',
      severity: 'error',
      job: job.name,
      message: `The stored ${unreadablePartOf(job)} of ${job.name} (version ${job.version}) cannot be read. Its slots and its runs wait.`,
      remedy: `Start a node whose code defines the job: it stores its definition again. To give the job up: jobistemer remove ${name}.`,
    }
  })
}
