import { readFunction } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import { readEventName } from './events.ts'
import type { Scheduler } from './scheduler.ts'
import { readSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/guarded-tracing.ts'

/**
 * Makes a scheduler. The scheduler does nothing until `start` or `runDue` is called.
 *
 * @example
 * const scheduler = createScheduler({ storage: sqliteStorage({ file: 'jobs.db' }), jobs: [job] })
 * await scheduler.start()
 * process.once('SIGTERM', () => scheduler.shutdown())
 *
 * @throws JobistemerError naming the option: `INVALID_ARGUMENT`, `INVALID_NAME`, `INVALID_DURATION`, `INVALID_TIMEZONE`,
 *   `UNKNOWN_OPTION`, `DUPLICATE_JOB`
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const engine = Engine.make(readSchedulerOptions(options))
  const scheduler: Scheduler = {
    ...engine.operations.all,
    nodeId: engine.owner.node,
    incarnation: engine.owner.incarnation,
    start: () => engine.start(),
    runDue: (given) => engine.runDue(given),
    shutdown: async (given) => engine.shutdown(given),
    [Symbol.asyncDispose]: () => engine.shutdown(),
    on(event, listener) {
      readFunction(listener, 'listener')
      return engine.events.on(readEventName(event), listener)
    },
  }
  return engine.tracing === null ? scheduler : methodsOutside(scheduler, engine.tracing)
}
