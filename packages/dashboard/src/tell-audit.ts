import type { AuditEntry } from './options.ts'
import type { Settings } from './read-options.ts'

/** Calls the option `audit` after an action. An error of the audit does not fail the action. */
export async function tellAudit({ audit, clock, logger }: Settings, entry: Omit<AuditEntry, 'at'>): Promise<void> {
  try {
    await audit({ at: new Date(clock.now()), ...entry })
  } catch (error) {
    logger.error({ err: error, action: entry.action, job: entry.job }, 'the function audit threw: the action continues')
  }
}
