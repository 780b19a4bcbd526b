import { parentPort } from 'node:worker_threads'
import { fromProgram, type ToChild } from './messages.ts'
import { serve } from './serve.ts'

// This program runs isolated tasks in a thread of the node's process.

const port = parentPort
if (port === null) throw new Error('thread-child runs only in a worker thread that a scheduler started.')

serve({
  post: (message) => port.postMessage(fromProgram(message)),
  listen: (hear) => port.on('message', (message: ToChild) => hear(message)),
  // Do not call `process.exit()`: it would lose printed output, which still has to pass through the event loops of both
  // threads. Close only the port. If the thread then does not end by itself, the node ends it.
  leave: () => port.close(),
})
