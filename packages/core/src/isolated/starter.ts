import type { FromStarter, ToStarter } from './starter-messages.ts'
import { StartedProcess } from './started-process.ts'

// This is the program of the starter, which starts processes for a node. The starter stays small: a fork copies the page tables
// of the forking process and blocks its event loop meanwhile.

if (process.send === undefined) throw new Error('Only a scheduler can start the starter: it needs an IPC channel.')

const children = new Map<number, StartedProcess>()

const post = (message: FromStarter, then?: () => void): void => {
  // Ignore errors of `send`: if the node has ended, the end of the channel ends the starter and its children.
  process.send?.(message, undefined, undefined, () => then?.())
}

process.on('message', (message: ToStarter) => {
  const { kind, child } = message
  if (kind === 'start') {
    const started = new StartedProcess(message, post, () => children.delete(child))
    children.set(child, started)
  } else if (kind === 'post') children.get(child)?.post(message.message)
  else children.get(child)?.kill()
})

// When the node has ended, kill the children: a child that was stopped by `SIGSTOP` cannot end by itself.
process.on('disconnect', () => {
  for (const child of children.values()) child.kill()
  process.exit()
})

// A service manager signals all processes of a service. The starter ignores the signal: only the node reacts to it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
