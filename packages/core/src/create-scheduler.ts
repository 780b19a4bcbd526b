import { readFunction } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import { readEventName, type SchedulerEventName, type SchedulerListener } from './events.ts'
import { OperationsFace } from './operations-face.ts'
import type { RunDueOptions, RunDueReport } from './run-due.ts'
import type { Scheduler, ShutdownOptions } from './scheduler.ts'
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
  const engine = Engine.make(readSchedulerOptions(options))
  const scheduler = new EngineScheduler(engine)
  return engine.tracing === null ? scheduler : methodsOutside(scheduler, engine.tracing)
}

/** An engine that is a node. Each call reaches it in the turn in which it is made. */
class EngineScheduler extends OperationsFace implements Scheduler {
  readonly nodeId: string
  readonly incarnation: string
  readonly #engine: Engine

  constructor(engine: Engine) {
    super(engine.operations, (_options, call) => call(engine.operations))
    this.nodeId = engine.nodeId
    this.incarnation = engine.owner.incarnation
    this.#engine = engine
  }

  start(): Promise<void> {
    return this.#engine.start()
  }

  runDue(options?: RunDueOptions): Promise<RunDueReport> {
    return this.#engine.runDue(options)
  }

  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#engine.shutdown(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  on<Name extends SchedulerEventName>(event: Name, listener: SchedulerListener<Name>): () => void {
    readFunction(listener, 'listener')
    return this.#engine.events.on(readEventName(event), listener)
  }
}
