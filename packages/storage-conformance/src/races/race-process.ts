import { type ChildProcess, fork } from 'node:child_process'
import type { JsonValue } from '@jobistemer/core'
import type { CaseWorld } from '../storage-world.ts'
import { idleChildren } from './idle-children.ts'
import type { FromChild, RaceAssignment, ToChild } from './race-messages.ts'

// The JavaScript module that a child process runs. If this file runs as TypeScript, the child runs the module in `dist`,
// because Node does not run TypeScript sources.
const childModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/races/race-child.js' : './race-child.js',
  import.meta.url,
)

/** A child process with its own connection: a new one, or an idle one from an earlier race. */
export class RaceProcess {
  readonly #child: ChildProcess
  readonly #ready: Promise<void>
  readonly #result: Promise<JsonValue>
  readonly #exit: Promise<void>
  #stopListening: () => void = () => {}
  #isDone = false

  /** Assigns a script to a child. The child runs it after the start message. */
  constructor(
    world: CaseWorld,
    script: string,
    parameters: JsonValue,
    onReport: (value: JsonValue, process: RaceProcess) => void = () => {},
  ) {
    if (world.processes === undefined) {
      throw new TypeError(
        'The test database has no member `processes`, which states how other processes connect to it.',
      )
    }
    const { module, exportName = 'connect', argument } = world.processes
    const assignment: RaceAssignment = { module: String(module), exportName, argument, script, parameters }
    // The child gets no `execArgv`, because it must not inherit loaders and inspectors of the test runner.
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
        } else reject(new Error(`a child process of a race failed: ${message.error}`))
      }
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        exited()
        reject(new Error(`a child process of a race ended with ${signal ?? code}`))
      }
      child.on('message', hear)
      child.once('exit', end)
      this.#stopListening = () => {
        child.off('message', hear)
        child.off('exit', end)
      }
    })
    // If `#result` rejects, `#ready` rejects too. The caller may await only one of these promises. So both promises get a
    // handler, which prevents an unhandled rejection of the other promise.
    this.#result.catch(fail)
    this.#ready.catch(() => {})
    this.#send({ kind: 'assignment', assignment })
  }

  /** Resolves when the child has connected to the storage. */
  async ready(): Promise<void> {
    await this.#ready
  }

  go(): void {
    this.#send({ kind: 'go' })
  }

  /** Resolves with the return value of the script. Rejects if the child failed or was killed. */
  async result(): Promise<JsonValue> {
    return await this.#result
  }

  /** Kills the child with SIGKILL. As after a power failure, the child runs no further code. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Resolves when the child process has exited. */
  async gone(): Promise<void> {
    await this.#exit
  }

  /** Keeps the child for later races if its script has ended; otherwise kills the child. */
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

/** Runs a script in several children at the same time. Returns their results. */
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
