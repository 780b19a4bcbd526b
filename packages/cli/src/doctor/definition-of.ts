import type { Retention } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'

interface Settings {
  readonly retention?: Retention | null
  readonly alertAfterMs?: number | null
}

/** The fields of core's stored job definition that the checks read. */
interface Definition {
  readonly defaults: Settings
  readonly settings: Settings
  readonly tasks: readonly { readonly name: string; readonly handler?: string }[]
  readonly updates?: string
}

/** The default retention of core. */
const retentionByDefault: Retention = { olderThanMs: 30 * 86_400_000, keep: 10 }

/** Returns the stored definition of a job as an object. */
export function definitionOf({ definition }: Pick<JobRecord, 'definition'>): Definition {
  return definition as unknown as Definition
}

/** Returns how long the storage keeps the history of a job, or `null` for ever. Applies the default of core. */
export function retentionOf(job: Pick<JobRecord, 'definition'>): Retention | null {
  const { defaults, settings } = definitionOf(job)
  const own = settings.retention === undefined ? defaults.retention : settings.retention
  return own === undefined ? retentionByDefault : own
}

/** Returns the time in ms without a success after which a job is silent, or `null` if the job has no `alertAfter`. */
export function alertAfterOf(job: Pick<JobRecord, 'definition'>): number | null {
  const { defaults, settings } = definitionOf(job)
  const own = settings.alertAfterMs === undefined ? defaults.alertAfterMs : settings.alertAfterMs
  return own ?? null
}
