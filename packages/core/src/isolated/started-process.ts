import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { toErrorRecord } from '../error-record.ts'
import { systemClock } from '../system-clock.ts'
import { hasGroups, killGroup } from './kill-group.ts'
import type { ToChild } from './messages.ts'
import { processProgram } from './programs.ts'
import type { FromStarter, ToStarter } from './starter-messages.ts'
import { watchedDescriptor } from './watched-descriptor.ts'
import { outputGraceMs } from '../tuning.ts'

type Ended = Extract<FromStarter, { kind: 'ended' }>

/** A process that this one has started for its node, and what they say to each other. */
export class StartedProcess {
  readonly #child: number
  readonly #post: (message: FromStarter, then?: () => void) => void
  readonly #onEnd: () => void
  #forked: ChildProcess | null = null
  #end: Ended | null = null
  #hasEnded = false

  constructor(
    { child, execArgv, env, folder }: Extract<ToStarter, { kind: 'start' }>,
    post: (message: FromStarter, then?: () => void) => void,
    onEnd: () => void,
  ) {
    this.#child = child
    this.#post = post
    this.#onEnd = onEnd
    const stdio: ('ignore' | 'inherit' | 'pipe' | 'ipc')[] = ['ignore', 'inherit', 'pipe', 'ipc']
    stdio[watchedDescriptor] = 'pipe'
    try {
      const forked = fork(fileURLToPath(processProgram), [], {
        execArgv: [...execArgv],
        env: { ...env },
        ...(folder !== null && { cwd: folder }),
        stdio,
        // It leads a group of its own, so that what it has started can be ended with it.
        detached: hasGroups,
      })
      this.#forked = forked
      this.#listen(forked)
    } catch (error) {
      this.#couldNotStart(error)
    }
  }

  post(message: ToChild): void {
    // A channel that is closed is followed by the end of the process, which says more.
    if (this.#forked?.connected) this.#forked.send(message, () => undefined)
  }

  kill(): void {
    // The operating system does not reuse the process id before this process has seen the end of the child.
    if (this.#forked?.pid !== undefined && this.#end === null) killGroup(this.#forked.pid)
  }

  #listen(forked: ChildProcess): void {
    const { pid, stderr } = forked
    if (pid !== undefined) this.#post({ kind: 'started', child: this.#child, pid })
    // They only have to close.
    for (const stream of [forked.stdio[watchedDescriptor], stderr]) stream?.on('error', () => undefined)
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      // What the node does not take up waits in the pipe, and holds up who writes.
      stderr.pause()
      this.#post({ kind: 'wrote', child: this.#child, text }, () => stderr.resume())
    })
    forked.on('message', (message) => this.#post({ kind: 'heard', child: this.#child, message }))
    forked.on('error', (error) => {
      // Also said of a message that could not be sent.
      if (pid === undefined) this.#couldNotStart(error)
    })
    forked.on('exit', (exitCode, signal) => {
      this.#end = { kind: 'ended', child: this.#child, exitCode, signal }
      // What it has started must not outlive it when it has died of something.
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
    if (this.#hasEnded || this.#end === null) return
    this.#hasEnded = true
    this.#forked?.stderr?.destroy()
    this.#forked?.stdio[watchedDescriptor]?.destroy()
    this.#post(this.#end)
    this.#onEnd()
  }
}
