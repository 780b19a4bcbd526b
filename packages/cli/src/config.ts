import type { JobSettingsInput, ScheduleType } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

/** The default export of a configuration file. All members are optional. */
export interface CliConfig {
  /**
   * A value of `--storage`, a storage, or a function that opens a storage. The program closes the storage at the end.
   */
  readonly storage?: string | Storage | (() => Storage | string | Promise<Storage | string>)
  /** Default of `--prefix`: prefix of keys in Redis and DynamoDB, schema in PostgreSQL, table prefix in SQLite. */
  readonly prefix?: string
  /** Custom schedule types, as in the options of a scheduler. */
  readonly scheduleTypes?: readonly ScheduleType[]
  /** Default settings of jobs that `apply` stores, as in the options of a scheduler. */
  readonly defaults?: JobSettingsInput
  /** The owner tag of `plan` and `apply` if the command line gives none. */
  readonly owner?: string
  /** The time zone in which the program prints instants. Default: the time zone of this machine. */
  readonly timezone?: string
}

/** Returns the configuration unchanged. The parameter type lets editors check the configuration. */
export function defineConfig(config: CliConfig): CliConfig {
  return config
}
