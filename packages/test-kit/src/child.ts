import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A child process of a test. This class queues the messages of the child in order. */
export class Child {
  readonly process: ChildProcess
  readonly #messages: unknown[] = []
  #listener: (() => void) | null = null
  #ended = false

  /** Starts a module in a child process, and sends it the argument as JSON. */
  constructor(module: URL, argument: unknown) {
    this.process = fork(fileURLToPath(module), [JSON.stringify(argument)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.process.on('message', (message) => {
      this.#messages.push(message)
      this.#listener?.()
    })
    // Waits for `disconnect`, because `exit` may precede the child's last messages.
    this.process.on('disconnect', () => {
      this.#ended = true
      this.#listener?.()
    })
  }

  /** Returns the next message of the child. Rejects if the child has ended without a further message. */
  async next(): Promise<unknown> {
    while (this.#messages.length === 0) {
      if (this.#ended) throw new Error('the child process ended or disconnected before its next message')
      await new Promise<void>((resolve) => {
        this.#listener = resolve
      })
    }
    return this.#messages.shift()
  }

  /** Resolves when the child process has ended. */
  async ended(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit')
  }

  /** Kills the child process, and waits for its end. */
  async kill(): Promise<void> {
    const gone = this.ended()
    this.process.kill('SIGKILL')
    await gone
  }
}
