import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** How a process ended: its exit code, or the signal that killed it. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Runs a program in its own process. The process is killed when the test has ended. */
export class Child {
  readonly ended: Promise<Ending>
  readonly #process: ChildProcess
  readonly #messages: unknown[] = []
  #notify: () => void = () => undefined

  /**
   * Starts the module in a new process, which receives the argument as JSON.
   * @param atEnd registers a function that runs at the end of the test. A concurrent test passes the `onTestFinished` of its
   * own test context
   */
  constructor(module: URL, argument: unknown, atEnd: (act: () => Promise<void>) => void = onTestFinished) {
    this.#process = fork(fileURLToPath(module), [JSON.stringify(argument)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (message) => {
      this.#messages.push(message)
      this.#notify()
    })
    // The last messages can arrive after the exit of the process, but not after its channel is closed. So `ended` also
    // waits for `disconnect`.
    const silent = once(this.#process, 'disconnect')
    this.ended = once(this.#process, 'exit').then(async ([code, signal]) => {
      await silent
      return { code, signal }
    })
    atEnd(async () => {
      this.#process.kill('SIGKILL')
      await this.ended
    })
  }

  /** Returns the next message of the process. Rejects if the process ends without a message. */
  async next(): Promise<unknown> {
    while (this.#messages.length === 0) {
      const message = new Promise<undefined>((resolve) => {
        this.#notify = () => resolve(undefined)
      })
      const ending = await Promise.race([message, this.ended])
      if (ending !== undefined && this.#messages.length === 0) {
        throw new Error(`The process ended without a message: ${JSON.stringify(ending)}`)
      }
    }
    return this.#messages.shift()
  }

  send(message: string): void {
    this.#process.send(message)
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }
}
