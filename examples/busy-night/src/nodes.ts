import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./worker.js', import.meta.url))
const names = ['worker-a', 'worker-b'] as const
const killEveryMs = 120_000
const awayMs = 25_000

/** Runs two nodes in separate processes. At intervals, kills one node and starts it again. */
export class Nodes {
  readonly #file: string
  readonly #processes = new Map<string, ChildProcess>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(file: string) {
    this.#file = file
  }

  async start(): Promise<void> {
    await Promise.all(names.map((name) => this.#start(name)))
    this.#later(killEveryMs, () => this.#kill())
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    const ended = [...this.#processes.values()].map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of this.#processes.values()) child.kill('SIGKILL')
    await Promise.all(ended)
  }

  #start(name: string): Promise<void> {
    const child = fork(program, [this.#file, name], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#processes.set(name, child)
    return new Promise((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => {
        this.#processes.delete(name)
        reject(new Error(`The node ${name} ended with code ${code}.`))
      })
    })
  }

  #kill(): void {
    this.#processes.get('worker-b')?.kill('SIGKILL')
    // If the demo stops before the restarted node is ready, the call of `#start` rejects. The demo ignores this error.
    this.#later(awayMs, () => void this.#start('worker-b').catch(() => undefined))
    this.#later(killEveryMs, () => this.#kill())
  }

  #later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, delayMs)
    this.#timers.add(timer)
  }
}
