import { Worker } from 'node:worker_threads'
import { toErrorRecord } from '../error-record.ts'
import { type FromChild, fromProgram, type ToChild } from './messages.ts'
import { endGroup } from './kill-group.ts'
import { serve } from './serve.ts'

// This program runs isolated tasks in a separate process.

if (process.send === undefined)
  throw new Error('Only a scheduler can start process-child, because process-child needs an IPC channel.')

// If a handler blocks the event loop of this thread, the thread cannot notice the end of the node. So a separate thread watches
// for that end.
new Worker(new URL('./watchdog.js', import.meta.url), {
  execArgv: [],
  env: {},
  resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
}).unref()
process.on('disconnect', () => endGroup())
// A service manager signals all processes of a service, also the node. The child ignores the signal, because the node stops the
// handler in time.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

const post = (message: FromChild, then?: () => void): void => {
  // Ignore errors of `send`: if the node has ended, the end of the channel ends this process.
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
