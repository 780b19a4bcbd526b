import type { Client, ClientOptions } from './client.ts'
import { readObject } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import type { JobOperations } from './job-operations.ts'
import { OperationsFace } from './operations-face.ts'
import { readSchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/outside-traces.ts'

const optionNames = ['storage', 'defaults', 'callTimeout', 'scheduleTypes', 'logger', 'tracing', 'clock']

/**
 * Makes a client: everything but running, from any process, without code or handlers.
 *
 * @example
 * const client = createClient({ storage: sqliteStorage({ file: 'jobs.db' }) })
 * await client.trigger('report', { data: { day: '2026-01-01' } })
 * await client.close()
 *
 * @throws JobistemerError naming the option: `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`
 */
export function createClient(options: ClientOptions): Client {
  readObject(options, '', optionNames)
  const engine = Engine.make(readSchedulerOptions(options), { isClient: true })
  const client = new EngineClient(engine)
  return engine.tracing === null ? client : methodsOutside(client, engine.tracing)
}

/** An engine that is asked and runs nothing. Each call connects it, if none has before. */
class EngineClient extends OperationsFace implements Client {
  readonly #engine: Engine

  constructor(engine: Engine) {
    super(engine.operations, async (options, call) => {
      await engine.connect(options ?? {})
      return call(engine.operations)
    })
    this.#engine = engine
  }

  // Its time is that of the whole call: to connect, and to wait.
  override waitFor: JobOperations['waitFor'] = async (id, options) => {
    const left = await this.#engine.connectToWait(options)
    return this.#engine.operations.waitFor(id, left)
  }

  close(): Promise<void> {
    return this.#engine.disconnect()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
