import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A running program of a project, with the messages that it has sent. */
export class Child {
  /** @type {Promise<unknown>} */
  ended
  /** @type {any[]} */
  messages = []
  #output = ''
  #notify = () => {}
  #isOver = false
  #process

  /**
   * Starts a program of Node.js with a message channel.
   * @param {string} program
   * @param {readonly string[]} args
   * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
   */
  constructor(program, args, { cwd, env = process.env }) {
    this.#process = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    const killAtExit = () => this.#process.kill('SIGKILL')
    process.once('exit', killAtExit)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.#output = (this.#output + text).slice(-20_000)
      })
    }
    this.#process.on('message', (message) => {
      this.messages.push(message)
      this.#notify()
    })
    this.ended = once(this.#process, 'close').then(() => {
      this.#isOver = true
      process.off('exit', killAtExit)
      this.#notify()
    })
  }

  get output() {
    return this.#output
  }

  /**
   * Resolves when the program's messages satisfy a condition.
   * @param {string} expected
   * @param {(messages: any[]) => unknown} isSo
   * @returns {Promise<void>}
   */
  async until(expected, isSo) {
    const deadline = performance.now() + 120_000
    while (!isSo(this.messages)) {
      const late = performance.now() > deadline
      if (this.#isOver || late) {
        const end = late ? 'ran for 2 minutes' : 'ended'
        throw new Error(`The program ${end} without a message about ${expected}:\n${this.#output}`)
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1000, undefined)
        this.#notify = () => {
          clearTimeout(timer)
          resolve(undefined)
        }
      })
    }
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal) {
    this.#process.kill(signal)
    await this.ended
  }

  /** @param {string} message */
  send(message) {
    this.#process.send(message)
  }
}
