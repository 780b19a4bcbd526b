import type { AuditEntry } from './options.ts'
import type { Settings } from './read-options.ts'

/** Tells the user's audit of an action. It cannot make the action fail: that has happened. */
export async function tellAudit({ audit, clock, logger }: Settings, entry: Omit<AuditEntry, 'at'>): Promise<void> {
  try {
    await audit({ at: new Date(clock.now()), ...entry })
  } catch (error) {
    logger.error({ error, action: entry.action, job: entry.job }, 'audit threw')
  }
}
