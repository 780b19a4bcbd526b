import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports living nodes with different versions of the time zone database. */
export async function timeZonesDiffer({ living }: Survey): Promise<readonly Finding[]> {
  const versions = new Map<string, string[]>()
  for (const { record } of living) {
    const { timeZones } = (record.about.versions ?? {}) as { readonly timeZones?: string }
    if (timeZones !== undefined) versions.set(timeZones, [...(versions.get(timeZones) ?? []), record.node])
  }
  if (versions.size < 2) return []
  const list = [...versions].map(([version, nodes]) => `${version} (${nodes.sort().join(', ')})`)
  return [
    {
      code: 'TIME_ZONES_DIFFER',
      severity: 'warning',
      message: `The nodes have different time zone data: ${list.sort().join('; ')}.`,
      remedy:
        'Bring all nodes to one version of Node.js. Until then they may disagree about slots after a change of zone rules.',
    },
  ]
}
