import type { Clock } from './clock.ts'
import type { JobSettingsInput } from './configuration/settings.ts'
import type { DurationInput } from './duration.ts'
import type { JobOperations } from './job-operations.ts'
import type { Logger } from './logger.ts'
import type { ScheduleType } from './schedule/schedule.ts'
import type { Storage } from './storage/storage.ts'
import type { Tracing } from './tracing/tracing.ts'

/** What `createClient` takes. */
export interface ClientOptions {
  /** Where the schedulers keep everything. The client does not close it. */
  readonly storage: Storage
  /** Settings for jobs that this client adds or applies, which each job can override. Updates leave those of the schedulers. */
  readonly defaults?: JobSettingsInput
  /**
   * How long a call waits for each answer of the storage before it rejects with `STORAGE_TIMEOUT`. At least 1 ms.
   * Default 10 s.
   */
  readonly callTimeout?: DurationInput
  /** Types of schedules of your own, as of a scheduler. */
  readonly scheduleTypes?: readonly ScheduleType[]
  /** Default: warnings and errors go to stderr. */
  readonly logger?: Logger
  /** What follows requests, for traces. Default: nothing. */
  readonly tracing?: Tracing
  /** Default: the machine's. */
  readonly clock?: Clock
}

/**
 * Asks for everything that a scheduler can be asked for, from a process that runs no jobs and has no code of them. It is
 * no node: others do not see it, and what it triggers runs where the job's code is.
 *
 * Jobs are looked up by name in the storage, with each call. The first call connects.
 *
 * Between its calls it keeps no process alive. Open connections of its storage do, such as those of Redis and PostgreSQL,
 * until that is closed.
 */
export interface Client extends JobOperations, AsyncDisposable {
  /** Waits for the requests that are under way. Further calls reject with `SCHEDULER_STATE`. */
  close(): Promise<void>
}
