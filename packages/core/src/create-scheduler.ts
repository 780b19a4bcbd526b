import { Engine } from './engine/engine.ts'
import type { Scheduler } from './scheduler.ts'
import { readSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts'

/**
 * Makes a scheduler. It does nothing until it is started.
 *
 * @example
 * const scheduler = createScheduler({ storage: sqliteStorage({ file: 'jobs.db' }), jobs: [job] })
 * await scheduler.start()
 * process.once('SIGTERM', () => scheduler.shutdown())
 *
 * @throws JobistemerError naming the option: `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_DURATION`, `INVALID_TIMEZONE`,
 * `UNKNOWN_OPTION`, `DUPLICATE_JOB`
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Engine(readSchedulerOptions(options))
}
