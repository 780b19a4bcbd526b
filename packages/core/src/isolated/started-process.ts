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

/** A child process that the starter has started for its node, and their messages. */
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
        // The child leads a process group, so that its own children are killed with it.
        detached: hasGroups,
      })
      this.#forked = forked
      this.#listen(forked)
    } catch (error) {
      this.#couldNotStart(error)
    }
  }

  post(message: ToChild): void {
    // The end of the process follows the end of the channel, and carries more information.
    if (this.#forked?.connected) this.#forked.send(message, () => undefined)
  }

  kill(): void {
    // The operating system does not reuse the process id before this process has seen the end of the child.
    if (this.#forked?.pid !== undefined && this.#end === null) killGroup(this.#forked.pid)
  }

  #listen(forked: ChildProcess): void {
    const { pid, stderr } = forked
    if (pid !== undefined) this.#post({ kind: 'started', child: this.#child, pid })
    // Errors of these pipes have no effect; only their end matters.
    for (const stream of [forked.stdio[watchedDescriptor], stderr]) stream?.on('error', () => undefined)
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      // Output that the node does not read stays in the pipe and blocks the writer.
      stderr.pause()
      this.#post({ kind: 'wrote', child: this.#child, text }, () => stderr.resume())
    })
    forked.on('message', (message) => this.#post({ kind: 'heard', child: this.#child, message }))
    forked.on('error', (error) => {
      // Also emitted for a message that could not be sent.
      if (pid === undefined) this.#couldNotStart(error)
    })
    forked.on('exit', (exitCode, signal) => {
      this.#end = { kind: 'ended', child: this.#child, exitCode, signal }
      // The child's own children must not outlive it after a crash.
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
