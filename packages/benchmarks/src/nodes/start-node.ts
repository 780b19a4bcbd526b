import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/**
 * Starts a program as a node in a separate process. Resolves when the node has sent `ready`. Passes the node's other
 * messages to `hear`.
 * @throws Error if the node ends before it is ready
 */
export async function startNode(
  program: URL,
  order: unknown,
  hear: (message: unknown) => void = () => {},
): Promise<ChildProcess> {
  const child = fork(program, [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message) => (message === 'ready' ? resolve() : hear(message)))
  })
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`A node ended with ${code ?? signal} before it was ready.`)
  })
  await Promise.race([ready, ended])
  // Avoids an unhandled rejection: a node may end at any time after `ready`.
  ended.catch(() => {})
  return child
}
