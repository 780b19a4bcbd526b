import { type ChildProcess, fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { starterProgram } from '../../../isolated/programs.ts'
import { revivedError } from '../../../isolated/revived-error.ts'
import type { FromStarter, ToStarter } from '../../../isolated/starter-messages.ts'
import type { IsolatedWork } from '../../../job/isolated-work.ts'
import { orElse } from '../../../or-else.ts'
import { systemClock } from '../../../system-clock.ts'
import { type ChildEnd, type Child, noListener, LastLines } from './child.ts'
import { killGroup } from '../../../isolated/kill-group.ts'
import type { IsolatedResourceLimits } from '../../../job/task.ts'

let children = 0

/** A process for isolated tasks. The starter process starts the child, and forwards messages between the child and the node. */
interface ProcessChild extends Child {
  /** The process id of the child; `null`: the process has not started. */
  pid: number | null
}

/** The small process that starts child processes for a node, and the channel for messages to and from them. */
export class StarterProcess {
  readonly #forked: ChildProcess
  readonly #children = new Map<number, ProcessChild>()
  readonly #onGone: () => void
  #mayEnd = false

  /**
   * Starts the starter process.
   * @throws the system error if the starter process cannot be started
   */
  constructor(onGone: () => void) {
    this.#onGone = onGone
    this.#forked = fork(fileURLToPath(starterProgram()), [], {
      execArgv: ownOptions(process.execArgv),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      // A detached starter process does not receive the signals that a terminal sends to the node's process group.
      detached: process.platform !== 'win32',
    })
    // The timers of the node keep its process alive, so the starter process need not keep it alive.
    this.#forked.unref()
    this.#forked.channel?.unref()
    this.#forked.on('message', (message) => this.#hear(message as FromStarter))
    this.#forked.on('error', (error) => {
      // Node.js also emits `error` for a message that it could not send. Only a missing pid shows that the start failed.
      if (this.#forked.pid === undefined) this.#gone({ exitCode: null, signal: null, error })
    })
    // Node.js emits `close` when the starter process has exited and its last message has arrived.
    this.#forked.on('close', (exitCode, signal) => {
      const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`
      const error = new Error(`The starter process of this node has ended: ${how}.`)
      // The children end by themselves after their starter process has ended, unless SIGSTOP has suspended them. So the node
      // kills each child.
      for (const { pid } of this.#children.values()) if (pid !== null) killGroup(pid)
      this.#gone({ exitCode: null, signal: 'SIGKILL', error })
    })
  }

  get hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#forked
    return pid === undefined || exitCode !== null || signalCode !== null
  }

  start(work: IsolatedWork): Child {
    const number = ++children
    const child: ProcessChild = {
      listener: noListener,
      name: 'process',
      pid: null,
      lines: new LastLines(),
      post: (message) => this.#send({ kind: 'post', child: number, message }),
      kill: () => this.#send({ kind: 'kill', child: number }),
    }
    this.#children.set(number, child)
    this.#send({
      kind: 'start',
      child: number,
      execArgv: [...ownOptions(process.execArgv), ...optionsOf(work.resourceLimits)],
      env: { ...(work.env ?? process.env) },
      // `statSync` throws if the directory was deleted, or if this process may not enter it any more.
      folder: orElse<string | undefined>(() => statSync(`${process.cwd()}/.`) && process.cwd(), undefined),
    })
    return child
  }

  /** Lets the starter process end if it has no children. */
  letEnd(): void {
    this.#mayEnd = true
    if (this.#children.size === 0 && this.#forked.connected) this.#forked.disconnect()
  }

  /**
   * Disconnects, so that the starter process kills its children and exits. Kills the starter process after `graceMs`.
   * Resolves when the starter process has exited.
   */
  async end(graceMs: number): Promise<void> {
    if (this.hasEnded) return
    const exited = new Promise((resolve) => this.#forked.once('exit', resolve))
    if (this.#forked.connected) this.#forked.disconnect()
    const timer = systemClock.setTimer(graceMs, () => this.#forked.kill('SIGKILL'))
    await exited
    timer.cancel()
  }

  #send(message: ToStarter): void {
    // If the channel is closed, send nothing: after the closing, the starter process ends all its children by itself.
    if (this.#forked.connected) this.#forked.send(message, () => undefined)
  }

  #hear(message: FromStarter): void {
    const child = this.#children.get(message.child)
    if (child === undefined) return
    switch (message.kind) {
      case 'started':
        child.pid = message.pid
        child.name = `process ${message.pid}`
        return
      case 'heard':
        child.listener.heard(message.message)
        return
      case 'wrote':
        child.lines.add(message.text)
        process.stderr.write(message.text)
        return
      case 'ended': {
        const { exitCode, signal, error } = message
        this.#ended(message.child, child, { exitCode, signal, error: error && revivedError(error) })
      }
    }
  }

  #ended(number: number, child: Child, end: ChildEnd): void {
    this.#children.delete(number)
    child.listener.ended(end)
    if (this.#mayEnd) this.letEnd()
  }

  #gone(end: ChildEnd): void {
    this.#onGone()
    for (const [number, child] of this.#children) this.#ended(number, child, end)
  }
}

/**
 * Starts child processes through a small starter process. Replaces the starter process after its death, or after the node has
 * changed its user or groups.
 */
export class Starter {
  readonly #living = new Set<StarterProcess>()
  #present: { readonly process: StarterProcess; readonly identity: string } | null = null

  /** Ends the starter processes and all their children. Resolves when the starter processes have exited. */
  async end(graceMs: number): Promise<void> {
    await Promise.all(Array.from(this.#living, (process) => process.end(graceMs)))
  }

  /**
   * Returns the starter process, and starts it if there is none.
   *
   * @throws the system error if the starter process cannot be started
   */
  get(): StarterProcess {
    const present = identity()
    if (this.#present !== null) {
      if (!this.#present.process.hasEnded && this.#present.identity === present) return this.#present.process
      // The node has given up privileges, which its new children must not have either. So a new starter process replaces the
      // old one.
      this.#present.process.letEnd()
      this.#present = null
    }
    const started: StarterProcess = new StarterProcess(() => this.#living.delete(started))
    this.#living.add(started)
    this.#present = { process: started, identity: present }
    return started
  }
}

/** Returns the user and group ids of this process as text. Windows has no such ids. */
function identity(): string {
  const { getuid, geteuid, getgid, getegid, getgroups } = process
  return JSON.stringify([getuid?.(), geteuid?.(), getgid?.(), getegid?.(), getgroups?.()])
}

/** Returns the command-line options of Node.js that set the resource limits of an isolated task. */
function optionsOf({ maxOldGenerationSizeMb, maxYoungGenerationSizeMb }: IsolatedResourceLimits): string[] {
  const options: string[] = []
  if (maxOldGenerationSizeMb !== undefined) options.push(`--max-old-space-size=${Math.ceil(maxOldGenerationSizeMb)}`)
  // V8 counts three semi-spaces as the young generation.
  if (maxYoungGenerationSizeMb !== undefined) {
    options.push(`--max-semi-space-size=${Math.ceil(maxYoungGenerationSizeMb / 3)}`)
  }
  return options
}

const withArgument = ['-e', '--eval', '-p', '--print', '-pe']

/** Returns the Node.js options of this process that also apply to a child, without those for debugging and evaluation. */
export function ownOptions(given: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < given.length; index++) {
    const option = given[index] as string
    if (withArgument.includes(option)) index++
    else if (!/^--(inspect|input-type|watch|test|eval|print|cpu-prof|heap-prof|prof$)/.test(option)) kept.push(option)
  }
  return kept
}
