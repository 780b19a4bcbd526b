import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports PostgreSQL settings that can lose acknowledged writes in a crash of the server or its machine. */
export async function postgresKeeps({ postgres }: Pick<Survey, 'postgres'>): Promise<readonly Finding[]> {
  if (postgres === null) return []
  const { fsync, fullPageWrites, synchronousCommit } = postgres.settings
  if (!fsync || !fullPageWrites) {
    return [
      {
        code: 'POSTGRES_NOT_DURABLE',
        severity: 'error',
        message: `${fsync ? 'full_page_writes' : 'fsync'} is off: a crash of its machine can destroy the database.`,
        remedy: 'Set fsync and full_page_writes to on in postgresql.conf, and reload it.',
      },
    ]
  }
  if (synchronousCommit !== 'off') return []
  return [
    {
      code: 'POSTGRES_NOT_DURABLE',
      severity: 'warning',
      message:
        'synchronous_commit is off: a crash of the server loses the last acknowledged writes, and their runs start again.',
      remedy: 'Set it to on for the user of the nodes: ALTER ROLE … SET synchronous_commit = on.',
    },
  ]
}
