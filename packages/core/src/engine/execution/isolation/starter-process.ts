import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ToChild } from '../../../isolated/messages.ts'
import { starterProgram } from '../../../isolated/programs.ts'
import { revivedError } from '../../../isolated/revived-error.ts'
import type { FromStarter, ToStarter } from '../../../isolated/starter-messages.ts'
import type { IsolatedWork } from '../../../job/isolated-work.ts'
import { systemClock } from '../../../system-clock.ts'
import type { ChildEnd } from './child.ts'
import { optionsOf, ownOptions } from './child-options.ts'
import { ProcessChild, type StarterOfChild } from './process.ts'
import { obeyGraceMs } from './tuning.ts'
import { outputGraceMs } from '../../../tuning.ts'

let children = 0

/** The small process that starts children for a node, and the message channel to these children. */
export class StarterProcess implements StarterOfChild {
  readonly #forked: ChildProcess
  readonly #children = new Map<number, ProcessChild>()
  readonly #keepers = new Set<ProcessChild>()
  readonly #onGone: () => void
  #heard = 0
  #mayEnd = false
  #end: ChildEnd | null = null
  #isGone = false
  readonly #exited: Promise<void>
  #sayExited: () => void = () => undefined

  /** @throws the system error if the starter process cannot be started */
  constructor(onGone: () => void) {
    this.#onGone = onGone
    this.#exited = new Promise((resolve) => {
      this.#sayExited = resolve
    })
    this.#forked = fork(fileURLToPath(starterProgram), [], {
      execArgv: ownOptions(process.execArgv),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Signals that a terminal sends to its foreground group are meant for the node only.
      detached: process.platform !== 'win32',
    })
    this.#setAlive()
    this.#forked.on('message', (message) => this.#hear(message as FromStarter))
    this.#forked.on('error', (error) => {
      // Node.js also emits `error` for a message that could not be sent.
      if (this.#forked.pid === undefined) this.#gone({ exitCode: null, signal: null, error })
    })
    this.#forked.on('exit', (exitCode, signal) => {
      const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`
      const error = new Error(`The process that starts others for its node has died: ${how}.`)
      this.#end = { exitCode: null, signal: 'SIGKILL', error }
      this.#sayExited()
      // The children end by themselves after their starter, except for one that is suspended by SIGSTOP.
      for (const child of this.#children.values()) child.killItself()
      systemClock.setTimer(outputGraceMs, () => this.#gone())
    })
    this.#forked.on('close', () => this.#gone())
  }

  get hasEnded(): boolean {
    return this.#end !== null || this.#isGone
  }

  start(work: IsolatedWork): ProcessChild {
    const child = new ProcessChild(this, ++children, work)
    this.#children.set(child.number, child)
    this.keepsAlive(child, true)
    this.#send({
      kind: 'start',
      child: child.number,
      execArgv: [...ownOptions(process.execArgv), ...optionsOf(work.resourceLimits)],
      env: work.env ?? process.env,
      folder: presentFolder(),
    })
    return child
  }

  post(child: ProcessChild, message: ToChild): void {
    this.#send({ kind: 'post', child: child.number, message })
  }

  kill(child: ProcessChild): void {
    this.#send({ kind: 'kill', child: child.number })
    const heard = this.#heard
    const lookAgain = (): void => {
      if (this.#children.has(child.number) && this.#heard === heard) this.#forked.kill('SIGKILL')
    }
    systemClock.setTimer(obeyGraceMs, lookAgain, { unref: true })
  }

  keepsAlive(child: ProcessChild, does: boolean): void {
    if (does) this.#keepers.add(child)
    else this.#keepers.delete(child)
    this.#setAlive()
  }

  /** Lets the starter process end as soon as it has no children. */
  letEnd(): void {
    this.#mayEnd = true
    if (this.#children.size === 0 && this.#forked.connected) this.#forked.disconnect()
  }

  /** Disconnects, so that the starter process kills its children and exits; kills it after `graceMs`. Resolves at its exit. */
  async end(graceMs: number): Promise<void> {
    if (this.hasEnded) return
    this.#forked.ref()
    if (this.#forked.connected) this.#forked.disconnect()
    const timer = systemClock.setTimer(graceMs, () => this.#forked.kill('SIGKILL'))
    await this.#exited
    timer.cancel()
  }

  #send(message: ToStarter): void {
    // After the channel is closed, the exit of the process follows and ends all children.
    if (this.#forked.connected) this.#forked.send(message, () => undefined)
  }

  #hear(message: FromStarter): void {
    this.#heard++
    const child = this.#children.get(message.child)
    if (child === undefined) return
    switch (message.kind) {
      case 'started':
        child.started(message.pid)
        return
      case 'heard':
        child.listener.heard(message.message)
        return
      case 'wrote':
        child.wrote(message.text)
        return
      case 'ended': {
        const { exitCode, signal, error } = message
        this.#ended(child, { exitCode, signal, ...(error !== undefined && { error: revivedError(error) }) })
      }
    }
  }

  #ended(child: ProcessChild, end: ChildEnd): void {
    this.#children.delete(child.number)
    this.keepsAlive(child, false)
    child.ended(end)
    if (this.#mayEnd) this.letEnd()
  }

  #gone(end: ChildEnd | null = this.#end): void {
    if (this.#isGone || end === null) return
    this.#isGone = true
    this.#sayExited()
    this.#onGone()
    for (const child of this.#children.values()) this.#ended(child, end)
  }

  #setAlive(): void {
    for (const handle of [this.#forked, this.#forked.channel] as unknown as (NodeJS.RefCounted | null | undefined)[]) {
      if (this.#keepers.size > 0) handle?.ref()
      else handle?.unref()
    }
  }
}

/** Returns the working directory; `null` if it was deleted. */
function presentFolder(): string | null {
  try {
    return process.cwd()
  } catch {
    // Then the child starts in the working directory of the starter process.
    return null
  }
}
