import { readObject } from './configuration/read-value.ts'
import { toDurationMs } from './duration.ts'
import type { WaitOptions } from './engine/api/waits.ts'
import { Engine } from './engine/engine.ts'
import type { CallOptions } from './engine/storage-access/caller-context.ts'
import type { JobOperations } from './job-operations.ts'
import { listing, pageOf } from './listing.ts'
import { readSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/guarded-tracing.ts'
import type { JobSettingsInput } from './configuration/settings.ts'
import type { Storage } from './storage/storage.ts'

const optionNames = ['storage', 'defaults', 'callTimeout', 'scheduleTypes', 'logger', 'tracing', 'clock']
const lists: readonly string[] = ['occurrences', 'failures', 'live', 'jobs']

// The methods of `JobOperations` differ in arguments and results. The function `connected` wraps them under this common type.
type Operation = (...given: readonly unknown[]) => unknown

/**
 * Makes a client, which offers all operations except running jobs. The client needs no code of the jobs.
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
  const checked = readSchedulerOptions(options)
  const engine = Engine.make(checked, { isClient: true })
  const close = (): Promise<void> => engine.disconnect()
  const operations = engine.operations.all
  const client: Client = {
    ...connected(operations, (last) => engine.connect(typeof last === 'object' && last !== null ? last : {})),
    // A call of `changes` does not connect the client. The first poll of the iteration connects the client.
    changes: operations.changes,
    // The timeout of `waitFor` covers connecting and waiting.
    waitFor: async (id, given) => operations.waitFor(id, await connectToWait(engine, checked.callTimeoutMs, given)),
    close,
    [Symbol.asyncDispose]: close,
  }
  return engine.tracing === null ? client : methodsOutside(client, engine.tracing)
}

/**
 * Connects the client for a call of `waitFor`. Connecting may take up to the call's `timeout` or `callTimeout`, whichever
 * is shorter. Returns the options for the wait itself. If the call has a `timeout`, the returned `timeout` is the time that
 * is left of it.
 */
async function connectToWait(engine: Engine, callTimeoutMs: number, options: WaitOptions = {}): Promise<WaitOptions> {
  const { timeout, signal } = Object(options) as WaitOptions
  const { clock } = engine
  const begun = clock.monotonic()
  const timeoutMs = timeout === undefined ? callTimeoutMs : toDurationMs(timeout, 'timeout', { min: 1 })
  await engine.connect({ timeout: Math.min(timeoutMs, callTimeoutMs), ...(signal !== undefined && { signal }) })
  if (timeout === undefined) return options
  return { ...options, timeout: Math.max(1, Math.round(timeoutMs - (clock.monotonic() - begun))) }
}

/**
 * Wraps the operations so that each call first connects the client. The call's timeout and signal also limit the wait for the
 * connection.
 */
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

/** Options of `createClient`. Options without a comment mean the same as in `SchedulerOptions`. */
export interface ClientOptions
  extends Pick<SchedulerOptions, 'callTimeout' | 'scheduleTypes' | 'logger' | 'tracing' | 'clock'> {
  /** The storage that the schedulers share. The client does not close the storage. */
  readonly storage: Storage
  /**
   * Default settings of the jobs that `add` and `apply` of this client store. A job's own settings have precedence. `update`
   * does not use the defaults.
   */
  readonly defaults?: JobSettingsInput
}

/**
 * Offers all operations of a scheduler to a process that runs no jobs and has no code of jobs. A client is no node: nodes
 * run the jobs that it triggers. The client connects to the storage at its first call.
 *
 * Between calls a client does not keep the process alive, but open connections of its storage keep the process alive.
 */
export interface Client extends JobOperations, AsyncDisposable {
  /** Waits for the client's requests in progress. Further calls of the client reject with `SCHEDULER_STATE`. */
  close(): Promise<void>
}
