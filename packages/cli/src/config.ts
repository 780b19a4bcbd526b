import type { JobSettingsInput, ScheduleType } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

/** What a configuration file exports by default. Everything may be left out. */
export interface CliConfig {
  /** As `--storage` takes it; or a storage, or a function that opens one, which is closed at the end. */
  readonly storage?: string | Storage | (() => Storage | string | Promise<Storage | string>)
  /** What the keys of the storage begin with: Redis and DynamoDB. */
  readonly prefix?: string
  /** Types of schedules of your own, as of a scheduler. */
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
