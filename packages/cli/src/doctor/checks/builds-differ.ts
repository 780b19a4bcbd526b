import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports living nodes that run different versions of Jobistemer. */
export async function buildsDiffer({ living }: Survey): Promise<readonly Finding[]> {
  const versions = new Map<string, string[]>()
  for (const { record } of living) {
    const { jobistemer = 'unknown' } = (record.about.versions ?? {}) as { readonly jobistemer?: string }
    versions.set(jobistemer, [...(versions.get(jobistemer) ?? []), record.node])
  }
  if (versions.size < 2) return []
  const list = [...versions].map(([version, nodes]) => `${version} (${nodes.sort().join(', ')})`)
  return [
    {
      code: 'VERSIONS_DIFFER',
      severity: 'warning',
      message: `The nodes have different versions of Jobistemer: ${list.sort().join('; ')}.`,
      remedy: 'Bring all to the newer one; during a deployment this is expected.',
    },
  ]
}
