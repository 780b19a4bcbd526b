import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/**
 * Age in ms from which an open transaction, replication slot or query is reported. Each prevents vacuum from removing dead
 * rows.
 */
const longestMs = 5 * 60_000

const kinds = {
  transaction: 'process',
  prepared: 'the prepared transaction',
  slot: 'the replication slot',
  standby: 'a query on the standby',
}

/** Reports transactions, replication slots and queries that prevent vacuum from removing dead rows. */
export async function postgresVacuums({ postgres }: Pick<Survey, 'postgres'>): Promise<readonly Finding[]> {
  if (postgres === null) return []
  const { settings, unvacuumed, vacuumHolders } = postgres
  const findings: Finding[] = []
  if (!settings.autovacuum || unvacuumed.length > 0) {
    const where = settings.autovacuum ? `for ${unvacuumed.join(', ')}` : 'on this server'
    findings.push({
      code: 'POSTGRES_VACUUM_OFF',
      severity: 'warning',
      message: `autovacuum is off ${where}: tables grow, and calls get slower.`,
      remedy: settings.autovacuum ? 'ALTER TABLE … RESET (autovacuum_enabled).' : 'Set autovacuum to on.',
    })
  }
  for (const { kind, name, forMs } of vacuumHolders) {
    if (forMs !== null && forMs < longestMs) continue
    const since = forMs === null ? '' : ` for ${duration(forMs)}`
    findings.push({
      code: 'POSTGRES_VACUUM_HELD',
      severity: 'warning',
      message: `Dead rows are kept by ${kinds[kind]} ${name}${since}: tables grow, and calls get slower.`,
      remedy:
        kind === 'slot'
          ? 'Drop the replication slot if no standby or subscriber uses it.'
          : 'End it, and find out why it stays open.',
    })
  }
  return findings
}
