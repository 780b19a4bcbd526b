import { Worker } from 'node:worker_threads'
import { threadProgram } from '../../../isolated/programs.ts'
import type { IsolatedWork } from '../../../job/isolated-work.ts'
import { type Child, noListener } from './child.ts'
import { LastLines } from './last-lines.ts'

export function startThread({ resourceLimits, env }: IsolatedWork): Child {
  const lastLines = new LastLines()
  const worker = new Worker(threadProgram, { resourceLimits, ...(env !== null && { env }), stderr: true })
  let error: unknown
  const child: Child = {
    listener: noListener,
    name: `thread ${worker.threadId}`,
    post: (message) => worker.postMessage(message),
    kill: () => void worker.terminate(),
    lastLines: () => lastLines.get(),
    keepsAlive: (does) => (does ? worker.ref() : worker.unref()),
  }
  worker.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastLines.add(text)
    process.stderr.write(text)
  })
  worker.on('message', (message) => child.listener.heard(message))
  worker.on('error', (thrown) => {
    error = thrown
  })
  worker.on('exit', (exitCode) => child.listener.ended({ exitCode, signal: null, error }))
  return child
}
