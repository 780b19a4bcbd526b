import type { JobSettingsInput, ScheduleType } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

/** The default export of a configuration file. All members are optional. */
export interface CliConfig {
  /** A value of `--storage`, a storage, or a function that opens one. The program closes the storage at the end. */
  readonly storage?: string | Storage | (() => Storage | string | Promise<Storage | string>)
  /** The prefix of the storage's keys: Redis and DynamoDB. */
  readonly prefix?: string
  /** Your own schedule types, as for a scheduler. */
  readonly scheduleTypes?: readonly ScheduleType[]
  /** Settings for jobs that `apply` stores, as of the schedulers. */
  readonly defaults?: JobSettingsInput
  /** The tag that `plan` and `apply` take when none is given. */
  readonly owner?: string
  /** The time zone that instants are shown in. Default: the machine's. */
  readonly timezone?: string
}

/** Gives a configuration its type, and returns it as it is. */
export function defineConfig(config: CliConfig): CliConfig {
  return config
}
