import type { Client, ClientOptions } from './client.ts'
import { readObject } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import type { CallOptions } from './engine/storage-access/caller-context.ts'
import type { JobOperations } from './job-operations.ts'
import { listing, pageOf } from './listing.ts'
import { readSchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/outside-traces.ts'

const optionNames = ['storage', 'defaults', 'callTimeout', 'scheduleTypes', 'logger', 'tracing', 'clock']
const lists: readonly string[] = ['occurrences', 'failures', 'live', 'jobs']

// Each operation has the types of the method of `JobOperations` with the same name.
type Operation = (...given: readonly unknown[]) => unknown

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
  const { operations } = engine
  const client: Client = {
    ...connected(operations, (last) => engine.connect(typeof last === 'object' && last !== null ? last : {})),
    // Connects with its first scan.
    changes: operations.changes,
    // The timeout of `waitFor` covers connecting and waiting.
    waitFor: async (id, given) => operations.waitFor(id, await engine.connectToWait(given)),
    close,
    [Symbol.asyncDispose]: close,
  }
  return engine.tracing === null ? client : methodsOutside(client, engine.tracing)
}

/** Each operation connects first, with the timeout and the signal of its call. The last argument of a call may hold them. */
function connected(operations: JobOperations, connect: (last: CallOptions) => Promise<void>): JobOperations {
  const members = Object.entries(operations).map(([name, member]): [string, Operation] => {
    const operation = member as Operation
    const call: Operation = (...given) => connect(given.at(-1) as CallOptions).then(() => operation(...given))
    const list: Operation = (filter, options) =>
      listing(async (cursor) => {
        await connect(options as CallOptions)
        return (await operation(pageOf(filter as object, cursor), options)) as never
      })
    return [name, lists.includes(name) ? list : call]
  })
  return Object.fromEntries(members) as unknown as JobOperations
}
