import type { FromStarter, ToStarter } from './starter-messages.ts'
import { StartedProcess } from './started-process.ts'

// The program of the process that starts others for a node. It is small, whatever the node has in memory: to start a process
// copies the page tables of the one that does, and holds up its event loop meanwhile.

if (process.send === undefined) throw new Error('starter is started by a scheduler, with a channel to it.')

const children = new Map<number, StartedProcess>()

const post = (message: FromStarter, then?: () => void): void => {
  // The node may be gone: then the channel says so, and all of this ends.
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

// Who ends a service by signals to all of its processes means the node.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
