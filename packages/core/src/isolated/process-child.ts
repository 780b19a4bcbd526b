import { Worker } from 'node:worker_threads'
import { toErrorRecord } from '../error-record.ts'
import { type FromChild, fromProgram, type ToChild } from './messages.ts'
import { endGroup } from './end-group.ts'
import { serve } from './serve.ts'

// The program of a process that runs isolated tasks.

if (process.send === undefined) throw new Error('process-child is started by a scheduler, with a channel to it.')

// A handler that never comes back to the event loop does not hear that its node is gone: a thread of its own does.
new Worker(new URL('./watchdog.js', import.meta.url), {
  execArgv: [],
  env: {},
  resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
}).unref()
process.on('disconnect', () => endGroup())
// Who ends a service by signals to all of its processes means the node, which tells the handler and knows how long it may take.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

const post = (message: FromChild, then?: () => void): void => {
  // The node may be gone: then the channel says so, and this process ends.
  process.send?.(fromProgram(message), undefined, undefined, () => then?.())
}

process.on('uncaughtExceptionMonitor', (error) => post({ kind: 'crashed', error: toErrorRecord(error) }))

let last: Promise<void> = Promise.resolve()
serve({
  post: (message) => {
    last = new Promise((resolve) => post(message, resolve))
  },
  listen: (hear) => process.on('message', (message) => hear(message as ToChild)),
  leave: () => void last.then(() => process.exit(0)),
})
