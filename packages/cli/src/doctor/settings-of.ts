import type { Retention } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

/** What core keeps of a definition; a storage keeps it as it is. */
interface Definition {
  readonly defaults: { readonly retention?: Retention | null }
  readonly settings: { readonly retention?: Retention | null }
  readonly tasks: readonly { readonly name: string; readonly handler?: string }[]
  readonly updates?: string
}

/** The default of core. */
const retentionByDefault: Retention = { olderThanMs: 30 * 86_400_000, keep: 10 }

/** A definition as core keeps it. */
export function definitionOf({ definition }: Pick<JobRecord, 'definition'>): Definition {
  return definition as unknown as Definition
}

/** What a job sets, with the defaults filled in. `null`: history is kept for ever. */
export function settingsOf(job: Pick<JobRecord, 'definition'>): { readonly retention: Retention | null } {
  const { defaults, settings } = definitionOf(job)
  const own = settings.retention === undefined ? defaults.retention : settings.retention
  return { retention: own === undefined ? retentionByDefault : own }
}
