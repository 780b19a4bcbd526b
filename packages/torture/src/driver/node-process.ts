import { type ChildProcess, fork } from 'node:child_process'
import type { OccurrenceId } from '@jobistemer/core'
import type { Assignment, Command, FromNode } from '../node/messages.ts'
import type { DriverEvent } from '../record/history.ts'
import { sleep } from '../support/sleep.ts'

// Plain Node.js runs no TypeScript. If this module runs from its sources, in this package's tests, it uses the built node.
const nodeModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/node/main.js' : '../node/main.js',
  import.meta.url,
)

/** The outcome of a command. `unknown`: the process ended before its answer and may have executed the command. */
export type CommandOutcome =
  | { readonly outcome: 'done'; readonly occurrence: OccurrenceId | null }
  | { readonly outcome: 'failed'; readonly error: string }
  | { readonly outcome: 'unknown' }

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** One life of a node: a process from its start to its end. */
export class NodeProcess {
  readonly life: string
  readonly nodeId: string | null
  /** Resolves when the scheduler has started, or the process has ended before. */
  readonly ready: Promise<void>
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #record: (event: DriverEvent) => void
  readonly #commands = new Map<number, (outcome: CommandOutcome) => void>()
  readonly #mayCrash: boolean
  #state: 'starting' | 'up' | 'stopped' | 'ended' = 'starting'
  #goesOn: Promise<void> | null = null
  #wasKilled = false
  #failed = false
  #endExpected = false
  #count = 0

  constructor(assignment: Assignment, options: { logDescriptor: number; record: (event: DriverEvent) => void }) {
    const { life, nodeId } = assignment
    this.life = life
    this.nodeId = nodeId
    this.#record = options.record
    this.#mayCrash = assignment.crashPoint !== null
    this.#record({ event: 'spawned', life, node: nodeId })
    // The child must not inherit loaders and inspectors of the test runner.
    this.#child = fork(nodeModule, [JSON.stringify(assignment)], {
      execArgv: [],
      stdio: ['ignore', options.logDescriptor, options.logDescriptor, 'ipc'],
    })
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#ended({ code, signal })
        resolve({ code, signal })
      })
    })
    this.ready = new Promise((resolve) => {
      this.#child.on('message', (message: FromNode) => {
        if (message.kind === 'ready') {
          if (this.#state === 'starting') this.#state = 'up'
          resolve()
        } else this.#answered(message)
      })
      void this.exited.then(() => resolve())
    })
    // A message to a process that has just died. Its exit event reports the death.
    this.#child.on('error', () => {})
  }

  get isAlive(): boolean {
    return this.#state !== 'ended'
  }

  /** Whether it is alive, not stopped and not killed. */
  get isKillable(): boolean {
    return this.isAlive && !this.isStopped && !this.#wasKilled
  }

  /** Whether it has started, is not stopped and is not about to end. */
  get isUp(): boolean {
    return this.#state === 'up' && !this.#endExpected
  }

  get isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Whether it ended without a request of the driver. */
  get hasFailed(): boolean {
    return this.#failed
  }

  /** Returns false if it was killed before, or has ended. */
  kill(): boolean {
    if (!this.isAlive || this.#wasKilled) return false
    this.#wasKilled = true
    this.#endExpected = true
    this.#record({ event: 'killed', life: this.life })
    this.#child.kill('SIGKILL')
    return true
  }

  /** Stops the process from outside, even if it holds a lock of the storage. */
  stop(): void {
    if (!this.isUp) return
    this.#state = 'stopped'
    this.#record({ event: 'stopped', life: this.life })
    this.#child.kill('SIGSTOP')
  }

  /** Makes the process stop itself at a point where it holds no lock of the storage. */
  stopItself(): void {
    if (!this.isUp) return
    const goesOn = this.command({ do: 'stop' })
    this.#state = 'stopped'
    this.#record({ event: 'stopped', life: this.life })
    this.#goesOn = goesOn.then(() => {
      this.#goesOn = null
    })
  }

  resume(): void {
    if (!this.isStopped) return
    this.#state = 'up'
    this.#record({ event: 'resumed', life: this.life })
    this.#child.kill('SIGCONT')
    void this.#resumeAgain()
  }

  /** Repeats SIGCONT, because the first one can arrive before the process has stopped itself. */
  async #resumeAgain(): Promise<void> {
    while (this.#goesOn !== null && this.isAlive) {
      await Promise.race([this.#goesOn, sleep(50)])
      this.#child.kill('SIGCONT')
    }
  }

  /** Sends a command. The answer can take as long as the process lives. */
  command(command: Command): Promise<CommandOutcome> {
    if (!this.isAlive) return Promise.resolve({ outcome: 'unknown' })
    const number = ++this.#count
    if (command.do === 'shutdown') this.#endExpected = true
    return new Promise((resolve) => {
      this.#commands.set(number, resolve)
      this.#child.send({ number, command }, () => {})
    })
  }

  #answered(message: Exclude<FromNode, { kind: 'ready' }>): void {
    const resolve = this.#commands.get(message.number)
    this.#commands.delete(message.number)
    if (message.kind === 'done') resolve?.({ outcome: 'done', occurrence: message.occurrence })
    else resolve?.({ outcome: 'failed', error: message.error })
  }

  #ended({ code, signal }: Exit): void {
    this.#state = 'ended'
    const expected = this.#endExpected || (this.#mayCrash && signal === 'SIGKILL')
    this.#failed = !expected
    this.#record({ event: 'exited', life: this.life, code, signal, expected })
    for (const resolve of this.#commands.values()) resolve({ outcome: 'unknown' })
    this.#commands.clear()
  }
}
