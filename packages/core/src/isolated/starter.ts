import type { FromStarter, ToStarter } from './starter-messages.ts'
import { StartedProcess } from './started-process.ts'

// The program of the starter, which starts processes for a node. It stays small, because a fork copies the page tables
// of the forking process and blocks its event loop meanwhile.

if (process.send === undefined) throw new Error('Only a scheduler can start the starter: it needs an IPC channel.')

const children = new Map<number, StartedProcess>()

const post = (message: FromStarter, then?: () => void): void => {
  // If the node has ended, the end of the channel ends the starter and its children.
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

// Kills stopped children too (`SIGSTOP`), which cannot end by themselves.
process.on('disconnect', () => {
  for (const child of children.values()) child.kill()
  process.exit()
})

// Service managers signal all processes of a service. Only the node reacts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
