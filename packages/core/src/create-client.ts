import type { Client, ClientOptions } from './client.ts'
import { readObject } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import { connectedOperations } from './operations-face.ts'
import { readSchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/outside-traces.ts'

const optionNames = ['storage', 'defaults', 'callTimeout', 'scheduleTypes', 'logger', 'tracing', 'clock']

/**
 * Makes a client, which offers all operations except running jobs. It needs no code of the jobs.
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
  const close = (): Promise<void> => engine.disconnect()
  const client: Client = {
    ...connectedOperations(engine.operations, (given) => engine.connect(given ?? {})),
    // The timeout of `waitFor` covers connecting and waiting.
    waitFor: async (id, given) => engine.operations.waitFor(id, await engine.connectToWait(given)),
    close,
    [Symbol.asyncDispose]: close,
  }
  return engine.tracing === null ? client : methodsOutside(client, engine.tracing)
}
