import type { Retention } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

interface Settings {
  readonly retention?: Retention | null
  readonly alertAfterMs?: number | null
}

/** The parts of core's stored definition that the checks read. */
interface Definition {
  readonly defaults: Settings
  readonly settings: Settings
  readonly tasks: readonly { readonly name: string; readonly handler?: string }[]
  readonly updates?: string
}

/** The default of core. */
const retentionByDefault: Retention = { olderThanMs: 30 * 86_400_000, keep: 10 }

/** A definition as core keeps it. */
export function definitionOf({ definition }: Pick<JobRecord, 'definition'>): Definition {
  return definition as unknown as Definition
}

/** For how long the history of a job is kept, with the default filled in; `null`: for ever. */
export function retentionOf(job: Pick<JobRecord, 'definition'>): Retention | null {
  const { defaults, settings } = definitionOf(job)
  const own = settings.retention === undefined ? defaults.retention : settings.retention
  return own === undefined ? retentionByDefault : own
}

/** After how long without a success a job is silent; `null`: never. */
export function alertAfterOf(job: Pick<JobRecord, 'definition'>): number | null {
  const { defaults, settings } = definitionOf(job)
  const own = settings.alertAfterMs === undefined ? defaults.alertAfterMs : settings.alertAfterMs
  return own ?? null
}
