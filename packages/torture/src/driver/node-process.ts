import { type ChildProcess, fork } from 'node:child_process'
import type { OccurrenceId } from '@jobistemer/core'
import type { Assignment, Command, FromNode } from '../node/messages.ts'
import type { DriverEvent } from '../record/history.ts'
import { sleep } from '../support/sleep.ts'

// Plain Node.js runs no TypeScript. In the tests of this package, this module is a TypeScript source. So the node processes
// run the built module.
const nodeModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/node/main.js' : '../node/main.js',
  import.meta.url,
)

/** The outcome of a command. `unknown`: the process ended before it answered, and may have executed the command. */
export type CommandOutcome =
  | { readonly outcome: 'done'; readonly occurrence: OccurrenceId | null }
  | { readonly outcome: 'failed'; readonly error: string }
  | { readonly outcome: 'unknown' }

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** One process of a node, from its start to its end. */
export class NodeProcess {
  readonly life: string
  readonly nodeId: string | null
  /** Resolves when the scheduler has started, or when the process ends during the start. */
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
    // The child gets no `execArgv`, because it must not inherit loaders and inspectors of the test runner.
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
    // Sending a message to a dead process emits this error. The exit event reports the death.
    this.#child.on('error', () => {})
  }

  get isAlive(): boolean {
    return this.#state !== 'ended'
  }

  /** Whether the process is alive, not stopped and not killed. */
  get isKillable(): boolean {
    return this.isAlive && !this.isStopped && !this.#wasKilled
  }

  /** Whether the process has started, is not stopped and is not about to end. */
  get isUp(): boolean {
    return this.#state === 'up' && !this.#endExpected
  }

  get isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Whether the process ended although the driver had not requested the end. */
  get hasFailed(): boolean {
    return this.#failed
  }

  /** Kills the process. Returns false if the process has ended or was killed before. */
  kill(): boolean {
    if (!this.isAlive || this.#wasKilled) return false
    this.#wasKilled = true
    this.#endExpected = true
    this.#record({ event: 'killed', life: this.life })
    this.#child.kill('SIGKILL')
    return true
  }

  /** Stops the process with SIGSTOP, even while it holds a lock of the storage. */
  stop(): void {
    if (!this.isUp) return
    this.#state = 'stopped'
    this.#record({ event: 'stopped', life: this.life })
    this.#child.kill('SIGSTOP')
  }

  /** Makes the process stop itself while it holds no lock of the storage. */
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

  /** Repeats SIGCONT, because a SIGCONT may arrive before the process has stopped itself. */
  async #resumeAgain(): Promise<void> {
    while (this.#goesOn !== null && this.isAlive) {
      await Promise.race([this.#goesOn, sleep(50)])
      this.#child.kill('SIGCONT')
    }
  }

  /** Sends a command to the process. The answer may come at any time until the process ends. */
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
