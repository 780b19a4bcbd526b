import { type ChildProcess, fork } from 'node:child_process'
import type { JsonValue } from '@jobistemer/core'
import type { CaseWorld } from '../storage-world.ts'
import { idleChildren } from './idle-children.ts'
import type { FromChild, RaceAssignment, ToChild } from './race-messages.ts'

// Plain Node runs no TypeScript: from the sources, which only this package's own tests run, the built child is used.
const childModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/races/race-child.js' : './race-child.js',
  import.meta.url,
)

/** A child process with its own connection: a new child, or one that has finished its part in an earlier race. */
export class RaceProcess {
  readonly #child: ChildProcess
  readonly #ready: Promise<void>
  readonly #result: Promise<JsonValue>
  readonly #exit: Promise<void>
  #stopListening: () => void = () => {}
  #isDone = false

  /** Assigns the script to a child. The child runs it after the message to go. */
  constructor(
    world: CaseWorld,
    script: string,
    parameters: JsonValue,
    onReport: (value: JsonValue, process: RaceProcess) => void = () => {},
  ) {
    if (world.processes === undefined) {
      throw new TypeError('The world has no `processes`: a storage for several processes must tell how they connect.')
    }
    const { module, exportName = 'connect', argument } = world.processes
    const assignment: RaceAssignment = { module: String(module), exportName, argument, script, parameters }
    // Loaders and inspectors of the test runner are not for the child.
    const child =
      idleChildren.take() ?? fork(childModule, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    let exited = (): void => {}
    this.#exit = new Promise((resolve) => {
      exited = resolve
    })
    let ready = (): void => {}
    let fail = (_error: Error): void => {}
    this.#ready = new Promise((resolve, reject) => {
      ready = resolve
      fail = reject
    })
    this.#result = new Promise((resolve, reject) => {
      const hear = (message: FromChild): void => {
        if (message.kind === 'ready') ready()
        else if (message.kind === 'report') onReport(message.value, this)
        else if (message.kind === 'done') {
          this.#isDone = true
          resolve(message.result)
        } else reject(new Error(`a child process failed: ${message.error}`))
      }
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        exited()
        reject(new Error(`a child process ended with ${signal ?? code}`))
      }
      child.on('message', hear)
      child.once('exit', end)
      this.#stopListening = () => {
        child.off('message', hear)
        child.off('exit', end)
      }
    })
    // Callers may await only one of the two promises. The other one must not become an unhandled rejection.
    this.#result.catch(fail)
    this.#ready.catch(() => {})
    this.#send({ kind: 'assignment', assignment })
  }

  /** Resolves when the child is connected. */
  async ready(): Promise<void> {
    await this.#ready
  }

  go(): void {
    this.#send({ kind: 'go' })
  }

  /** What the script returned. Rejects when the child failed or was killed. */
  async result(): Promise<JsonValue> {
    return await this.#result
  }

  /** Kills the child as a power cut would: it runs no further code. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Resolves when the child has ended. */
  async gone(): Promise<void> {
    await this.#exit
  }

  /** Keeps the child for later races if it has finished its part, and kills it otherwise. */
  async release(): Promise<void> {
    if (this.#isDone && this.#child.connected) {
      this.#stopListening()
      idleChildren.put(this.#child)
      return
    }
    this.kill()
    await this.gone()
  }

  #send(message: ToChild): void {
    this.#child.send(message)
  }
}

/** Runs the script in several children that start together, and answers what each returned. */
export async function raceProcesses<T extends JsonValue>(
  world: CaseWorld,
  script: string,
  parameters: readonly JsonValue[],
): Promise<readonly T[]> {
  const processes = parameters.map((parameter) => new RaceProcess(world, script, parameter))
  try {
    await Promise.all(processes.map((process) => process.ready()))
    for (const process of processes) process.go()
    const results: readonly unknown[] = await Promise.all(processes.map((process) => process.result()))
    return results as readonly T[]
  } finally {
    await Promise.all(processes.map((process) => process.release()))
  }
}
