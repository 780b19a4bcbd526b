import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Instruction, WorkerMessage, WorkerSettings } from './worker-messages.ts'

type MessageOf<Kind extends WorkerMessage['kind']> = Extract<WorkerMessage, { readonly kind: Kind }>

const workerProgram = new URL('./worker.js', import.meta.url)
const longestStopMs = 10_000
const longestComplaint = 4000

/** Starts worker processes, kills them, starts them again, and ends them. Of each node at most one is alive at a time. */
export class Supervisor {
  /** Rejects when a worker ends that was not told to. */
  readonly crashed: Promise<never>
  #reportCrash: (error: Error) => void = () => undefined
  readonly #workers = new Map<string, ChildProcess>()

  constructor() {
    this.crashed = new Promise((_, reject) => {
      this.#reportCrash = reject
    })
    // A worker may crash while no caller waits. The next caller receives the rejection.
    this.crashed.catch(() => undefined)
  }

  /** Of the node's present worker; `null` when it has none. */
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

  /** The next message of a kind from the present worker of the node. */
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

  /** Tells the present worker of the node something. */
  tell(node: string, instruction: Instruction): void {
    const worker = this.#workers.get(node)
    // One that has just died is reported as crashed.
    if (worker?.connected === true) worker.send(instruction, () => undefined)
  }

  /** Ends the node's worker as a crash or a power cut would: it gets no chance to do anything. */
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
    // From here on its end is expected.
    this.#workers.delete(node)
    // Not 'close': it does not always come once this side has hung up.
    const ended = once(worker, 'exit')
    tell(worker)
    await ended
  }
}
