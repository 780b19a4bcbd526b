import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Instruction, WorkerMessage, WorkerSettings } from './worker-messages.ts'

type MessageOf<Kind extends WorkerMessage['kind']> = Extract<WorkerMessage, { readonly kind: Kind }>

const workerProgram = new URL('./worker.js', import.meta.url)
const longestStopMs = 10_000
const longestComplaint = 4000

/** Starts, kills, restarts and stops worker processes. Each node has at most one living process. */
export class Supervisor {
  /** Rejects when a worker ends unexpectedly. */
  readonly crashed: Promise<never>
  #reportCrash: (error: Error) => void = () => undefined
  readonly #workers = new Map<string, ChildProcess>()

  constructor() {
    this.crashed = new Promise((_, reject) => {
      this.#reportCrash = reject
    })
    // Avoids an unhandled rejection if a worker crashes while no caller waits for `crashed`.
    this.crashed.catch(() => undefined)
  }

  /** Returns the process id of the node's current worker; `null` without a worker. */
  processOf(node: string): number | null {
    return this.#workers.get(node)?.pid ?? null
  }

  start(settings: WorkerSettings): void {
    const { node } = settings
    const worker = fork(workerProgram, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#workers.set(node, worker)
    let complaint = ''
    worker.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-longestComplaint)
    })
    worker.on('error', (error) => this.#reportCrash(error))
    worker.on('close', (code, signal) => {
      if (this.#workers.get(node) !== worker) return
      this.#workers.delete(node)
      this.#reportCrash(
        new Error(`Node ${node} ended by itself (${signal ?? `exit code ${code}`}).\n${complaint.trim()}`),
      )
    })
  }

  /** Resolves to the next message of a kind from the node's current worker. */
  message<Kind extends WorkerMessage['kind']>(node: string, kind: Kind): Promise<MessageOf<Kind>> {
    const worker = this.#workers.get(node)
    return new Promise((resolve) => {
      const listen = (message: unknown) => {
        if ((message as WorkerMessage).kind !== kind) return
        worker?.off('message', listen)
        resolve(message as MessageOf<Kind>)
      }
      worker?.on('message', listen)
    })
  }

  /** Sends an instruction to the node's current worker. */
  tell(node: string, instruction: Instruction): void {
    const worker = this.#workers.get(node)
    // If the worker has just died, sending fails. This call ignores the error, because the death of the worker is reported as a
    // crash.
    if (worker?.connected === true) worker.send(instruction, () => undefined)
  }

  /** Kills the node's worker with SIGKILL, like a crash or a power cut. */
  async kill(node: string): Promise<void> {
    await this.#end(node, (worker) => worker.kill('SIGKILL'))
  }

  /** Shuts all workers down, and kills workers that take too long. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#workers.keys()].map((node) =>
        this.#end(node, (worker) => {
          if (worker.connected) worker.disconnect()
          const timer = setTimeout(() => worker.kill('SIGKILL'), longestStopMs)
          worker.once('exit', () => clearTimeout(timer))
        }),
      ),
    )
  }

  async #end(node: string, tell: (worker: ChildProcess) => void): Promise<void> {
    const worker = this.#workers.get(node)
    if (worker === undefined) return
    // Removes the worker from the list before the worker ends, so that this expected end is not reported as a crash.
    this.#workers.delete(node)
    // Waits for `exit`, because Node.js does not always emit `close` after this process has disconnected the channel.
    const ended = once(worker, 'exit')
    tell(worker)
    await ended
  }
}
