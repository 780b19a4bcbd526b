import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Reports that the PostgreSQL connection delivers no notifications. Nodes then poll for work. */
export async function postgresWakes({ postgres }: Pick<Survey, 'postgres'>): Promise<readonly Finding[]> {
  if (postgres?.hearsNotifications !== false) return []
  return [
    {
      code: 'POSTGRES_NO_WAKE_UPS',
      severity: 'warning',
      message: 'LISTEN receives no notifications over this connection: nodes poll, and start requested runs later.',
      remedy: 'Connect the nodes directly or through a pooler in session mode, not in transaction mode.',
    },
  ]
}
