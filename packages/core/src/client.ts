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
  /** The storage of the schedulers. The client does not close it. */
  readonly storage: Storage
  /** Settings for jobs that this client adds or applies. Each job can override them. `update` does not apply them. */
  readonly defaults?: JobSettingsInput
  /**
   * How long a call waits for each answer of the storage before it rejects with `STORAGE_TIMEOUT`. At least 1 ms.
   * Default 10 s.
   */
  readonly callTimeout?: DurationInput
  /** Your own schedule types, as for a scheduler. */
  readonly scheduleTypes?: readonly ScheduleType[]
  /** Default: warnings and errors go to stderr. */
  readonly logger?: Logger
  /** Traces requests. Default: none. */
  readonly tracing?: Tracing
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/**
 * Offers all operations of a scheduler to a process that runs no jobs and has no code of them. A client is no node:
 * peers do not see it, and the runs that it triggers run on nodes that have the job's code.
 *
 * Each call looks its job up by name in the storage. The first call connects.
 *
 * Between calls a client does not keep the process alive. Open connections of its storage do, such as those of Redis
 * and PostgreSQL, until the program closes the storage.
 */
export interface Client extends JobOperations, AsyncDisposable {
  /** Waits for the requests in progress. Further calls reject with `SCHEDULER_STATE`. */
  close(): Promise<void>
}
