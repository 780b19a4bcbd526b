import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports reasons why PostgreSQL rejects the writes of nodes. */
export async function postgresWrites({ postgres }: Pick<Survey, 'postgres'>): Promise<readonly Finding[]> {
  if (postgres === null) return []
  const { isStandby, isReadOnly, missingRights, rowSecurity = [] } = postgres
  const findings: Finding[] = []
  if (isStandby || isReadOnly) {
    findings.push({
      code: 'POSTGRES_READ_ONLY',
      severity: 'error',
      message: isStandby
        ? 'The server is a standby, and takes no writes.'
        : 'Transactions of this user, or of this database, are read-only (default_transaction_read_only).',
      remedy: isStandby ? 'Connect the nodes to the primary.' : 'Set it to off for the user of the nodes.',
    })
  }
  if (missingRights.length > 0) {
    findings.push({
      code: 'POSTGRES_RIGHTS',
      severity: 'error',
      message: `This user lacks rights: ${missingRights.join(', ')}.`,
      remedy: 'Grant them; a node with the same user runs nothing.',
    })
  }
  if (rowSecurity.length > 0) {
    findings.push({
      code: 'POSTGRES_ROW_SECURITY',
      severity: 'error',
      message: `Row level security hides rows of ${rowSecurity.join(', ')} from this user: nodes see no jobs, or their writes fail.`,
      remedy: 'ALTER TABLE … DISABLE ROW LEVEL SECURITY, or give the user BYPASSRLS.',
    })
  }
  return findings
}
