import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Whether notifications come through, or nodes poll. */
export async function postgresWakes({ postgres }: Pick<Survey, 'postgres'>): Promise<readonly Finding[]> {
  if (postgres?.hearsNotifications !== false) return []
  return [
    {
      code: 'POSTGRES_NO_WAKE_UPS',
      severity: 'warning',
      message: 'LISTEN hears nothing on this way to the server: nodes poll, and start later what they are asked for.',
      remedy: 'Lead nodes around a pooler that lends connections for one transaction, or to its session mode.',
    },
  ]
}
