import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A child process of a test with its messages in order. */
export class Child {
  readonly process: ChildProcess
  readonly #messages: unknown[] = []
  #listener: (() => void) | null = null
  #ended = false

  /** Starts a module with an argument that travels as JSON. */
  constructor(module: URL, argument: unknown) {
    this.process = fork(fileURLToPath(module), [JSON.stringify(argument)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.process.on('message', (message) => {
      this.#messages.push(message)
      this.#listener?.()
    })
    // Not its exit: what it has said may still be on the way then.
    this.process.on('disconnect', () => {
      this.#ended = true
      this.#listener?.()
    })
  }

  /** The next message; fails when the process has ended without one. */
  async next(): Promise<unknown> {
    while (this.#messages.length === 0) {
      if (this.#ended) throw new Error('the process ended, or cut the connection, without a further message')
      await new Promise<void>((resolve) => {
        this.#listener = resolve
      })
    }
    return this.#messages.shift()
  }

  /** Resolves when the process is gone. */
  async ended(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit')
  }

  /** Kills the process and waits until it is gone. */
  async kill(): Promise<void> {
    const gone = this.ended()
    this.process.kill('SIGKILL')
    await gone
  }
}
