import type { CallOptions } from './engine/storage-access/caller-context.ts'
import type { Operations } from './engine/api/operations.ts'
import type { JobOperations } from './job-operations.ts'
import { listing, pageOf } from './listing.ts'

/** All operations, each with the position of the call options among its arguments. */
const optionsAt: Readonly<Record<keyof JobOperations, number>> = {
  trigger: 1,
  triggerMany: 1,
  replay: 1,
  backfill: 1,
  stopBackfill: 2,
  cancel: 1,
  cancelSlot: 2,
  pause: 1,
  pauseAll: 1,
  resumeAll: 1,
  resume: 1,
  update: 2,
  add: 1,
  remove: 1,
  plan: 1,
  apply: 1,
  realign: 1,
  nextRuns: 2,
  explain: 2,
  nodes: 0,
  prune: 0,
  isRunning: 1,
  occurrences: 1,
  failures: 1,
  live: 1,
  jobs: 1,
  job: 1,
  occurrence: 1,
  waitFor: 1,
  changes: 0,
  versions: 1,
  counts: 1,
}

const lists: ReadonlySet<string> = new Set(['occurrences', 'failures', 'live', 'jobs'])

/** Connects a client within the timeout of a call. */
type Connect = (options: CallOptions | undefined) => Promise<void>

// Each method of `Operations` has the types of the method of `JobOperations` with the same name.
type Call = (...given: readonly unknown[]) => unknown

/** The operations of a scheduler. Each call reaches the engine in the turn in which the user makes it. */
export function operationsOf(operations: Operations): JobOperations {
  return eachOperation(operations, (call) => call)
}

/** The operations of a client. Each call connects first; `changes` connects with its first look. */
export function connectedOperations(operations: Operations, connect: Connect): JobOperations {
  return eachOperation(operations, (call, name, at) => {
    if (name === 'changes') return call
    if (!lists.has(name)) return (...given) => connect(given[at] as CallOptions).then(() => call(...given))
    return (filter, options) =>
      listing(async (cursor) => {
        await connect(options as CallOptions)
        return (await call(pageOf(filter as object, cursor), options)) as never
      })
  })
}

function eachOperation(
  operations: Operations,
  wrap: (call: Call, name: string, optionsAt: number) => Call,
): JobOperations {
  const methods = (Object.keys(optionsAt) as (keyof JobOperations)[]).map((name) => {
    return [name, wrap(operations[name].bind(operations) as Call, name, optionsAt[name])]
  })
  return Object.fromEntries(methods) as JobOperations
}
