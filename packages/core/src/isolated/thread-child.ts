import { parentPort } from 'node:worker_threads'
import { fromProgram, type ToChild } from './messages.ts'
import { serve } from './serve.ts'

// The program of a thread that runs isolated tasks.

const port = parentPort
if (port === null) throw new Error('Only a scheduler can start thread-child, as a worker thread.')

serve({
  post: (message) => port.postMessage(fromProgram(message)),
  listen: (hear) => port.on('message', (message: ToChild) => hear(message)),
  // Not process.exit(): printed output still passes through the event loops of both threads. The node ends a thread
  // that stays.
  leave: () => port.close(),
})
