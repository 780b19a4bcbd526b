import { Engine } from './engine/engine.ts'
import type { Scheduler } from './scheduler.ts'
import { readSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/outside-traces.ts'

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
  const engine = new Engine(readSchedulerOptions(options))
  return engine.tracing === null ? engine : methodsOutside(engine, engine.tracing)
}
