import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { toErrorRecord } from '../error-record.ts'
import { systemClock } from '../system-clock.ts'
import { outputGraceMs } from '../tuning.ts'
import { hasGroups, killGroup, watchedDescriptor } from './kill-group.ts'
import type { ToChild } from './messages.ts'
import { processProgram } from './programs.ts'
import type { FromStarter, ToStarter } from './starter-messages.ts'

// This is the program of the starter, which starts processes for a node. A fork copies the page tables of the forking process,
// and blocks its event loop meanwhile. So the small starter forks instead of the large process of the node.

if (process.send === undefined)
  throw new Error('Only a scheduler can start the starter, because the starter needs an IPC channel.')

const children = new Map<number, StartedProcess>()

const post = (message: FromStarter, then?: () => void): void => {
  // Ignore errors of `send`: if the node has ended, the end of the channel ends the starter and its children.
  process.send?.(message, undefined, undefined, () => then?.())
}

type Ended = Extract<FromStarter, { kind: 'ended' }>

/** A child process that the starter has started for its node, and the messages between child and node. */
class StartedProcess {
  readonly #child: number
  #forked: ChildProcess | null = null
  #end: Ended | null = null

  constructor({ child, execArgv, env, folder }: Extract<ToStarter, { kind: 'start' }>) {
    this.#child = child
    children.set(child, this)
    const stdio: ('ignore' | 'inherit' | 'pipe' | 'ipc')[] = ['ignore', 'inherit', 'pipe', 'ipc']
    stdio[watchedDescriptor] = 'pipe'
    try {
      const forked = fork(fileURLToPath(processProgram()), [], {
        execArgv: [...execArgv],
        env: { ...env },
        cwd: folder,
        stdio,
        serialization: 'advanced',
        // The child leads a process group, so that a kill also ends the processes that the child has started.
        detached: hasGroups,
      })
      this.#forked = forked
      this.#listen(forked)
    } catch (error) {
      this.#couldNotStart(error)
    }
  }

  post(message: ToChild): void {
    // Ignores errors of `send`, because the child's exit tells more than the error.
    if (this.#forked?.connected) this.#forked.send(message, () => undefined)
  }

  kill(): void {
    // Kill only before `exit` is emitted: until then, the operating system cannot give the process id to another process.
    if (this.#forked?.pid !== undefined && this.#end === null) killGroup(this.#forked.pid)
  }

  #listen(forked: ChildProcess): void {
    const { pid, stderr } = forked
    if (pid !== undefined) post({ kind: 'started', child: this.#child, pid })
    // Ignore errors of the watched pipe and of stderr: only the end of these pipes matters.
    for (const stream of [forked.stdio[watchedDescriptor], stderr]) stream?.on('error', () => undefined)
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      // Stop reading until the node has taken this output. Meanwhile the child may fill the pipe, and a full pipe blocks the
      // child.
      stderr.pause()
      post({ kind: 'wrote', child: this.#child, text }, () => stderr.resume())
    })
    forked.on('message', (message) => post({ kind: 'heard', child: this.#child, message }))
    forked.on('error', (error) => {
      // Node.js emits `error` in two cases. The child could not be started: then it has no process id. Or a message could not
      // be sent to the child.
      if (pid === undefined) this.#couldNotStart(error)
    })
    forked.on('exit', (exitCode, signal) => {
      this.#end = { kind: 'ended', child: this.#child, exitCode, signal }
      // After a crash of the child, kill the processes that it has started: they must not outlive the child.
      if (exitCode !== 0 && hasGroups && pid !== undefined) killGroup(pid)
      systemClock.setTimer(outputGraceMs, () => this.#sayEnd())
    })
    forked.on('close', () => this.#sayEnd())
  }

  #couldNotStart(error: unknown): void {
    this.#end = { kind: 'ended', child: this.#child, exitCode: null, signal: null, error: toErrorRecord(error) }
    this.#sayEnd()
  }

  #sayEnd(): void {
    if (this.#end === null || !children.delete(this.#child)) return
    this.#forked?.stderr?.destroy()
    this.#forked?.stdio[watchedDescriptor]?.destroy()
    post(this.#end)
  }
}

process.on('message', (message: ToStarter) => {
  const { kind, child } = message
  if (kind === 'start') new StartedProcess(message)
  else if (kind === 'post') children.get(child)?.post(message.message)
  else children.get(child)?.kill()
})

// When the node has ended, kill the children: a child that was stopped by `SIGSTOP` cannot end by itself.
process.on('disconnect', () => {
  for (const child of children.values()) child.kill()
  process.exit()
})

// A service manager signals all processes of a service. The starter ignores the signal: only the node reacts to it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
