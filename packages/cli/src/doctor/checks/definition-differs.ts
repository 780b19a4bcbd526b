import type { Finding } from '../finding.ts'
import { definitionOf } from '../definition-of.ts'
import type { Survey } from '../survey.ts'

/** Reports jobs whose definition on a living node differs from the stored definition. */
export async function definitionDiffers({ living, jobs }: Survey): Promise<readonly Finding[]> {
  return jobs.flatMap((job) => {
    const { id, name, fingerprint, version } = job
    const { tasks, updates } = definitionOf(job)
    // Skips data jobs, because only the storage has their definition.
    if (tasks.every(({ handler }) => handler !== undefined)) return []
    const others = living.filter(({ capabilities }) => {
      if (capabilities === null || !capabilities.canRun({ id, tasks })) return false
      return ![fingerprint, updates].some((one) => one !== undefined && capabilities.hasDefinition(id, one))
    })
    if (others.length === 0) return []
    return [
      {
        code: 'DEFINITION_DIFFERS',
        severity: 'warning',
        job: name,
        message: `Other definitions of ${name} than version ${version}, which is in force, are on ${others.map(({ record }) => record.node).join(', ')}.`,
        remedy:
          'Bring all nodes to one build; during a deployment this is expected. A scheduler can say which build is newer: release.',
      },
    ]
  })
}
