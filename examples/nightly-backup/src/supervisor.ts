import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { WorkerMessage, WorkerSettings } from './worker-messages.ts'

type MessageOf<Kind extends WorkerMessage['kind']> = Extract<WorkerMessage, { readonly kind: Kind }>

const workerProgram = new URL('./worker.js', import.meta.url)
const longestStopMs = 10_000
const longestComplaint = 4000

/** Starts the worker process, kills it, starts it again, and ends it. At most one is alive at a time. */
export class Supervisor {
  /** Rejects when a worker ends that was not told to. */
  readonly crashed: Promise<never>
  #reportCrash: (error: Error) => void = () => undefined
  #worker: ChildProcess | null = null

  constructor() {
    this.crashed = new Promise((_, reject) => {
      this.#reportCrash = reject
    })
    this.crashed.catch(() => undefined)
  }

  /** Of the present worker. */
  get processId(): number | null {
    return this.#worker?.pid ?? null
  }

  start(settings: WorkerSettings): void {
    const worker = fork(workerProgram, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#worker = worker
    let complaint = ''
    worker.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-longestComplaint)
    })
    worker.on('error', (error) => this.#reportCrash(error))
    worker.on('close', (code, signal) => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#reportCrash(
        new Error(`The worker ended by itself (${signal ?? `exit code ${code}`}).\n${complaint.trim()}`),
      )
    })
  }

  /** The present worker's next message of a kind. */
  message<Kind extends WorkerMessage['kind']>(kind: Kind): Promise<MessageOf<Kind>> {
    const worker = this.#worker
    return new Promise((resolve) => {
      const listen = (message: unknown) => {
        if ((message as WorkerMessage).kind !== kind) return
        worker?.off('message', listen)
        resolve(message as MessageOf<Kind>)
      }
      worker?.on('message', listen)
    })
  }

  /** Ends the worker as a crash or a power cut would: it gets no chance to do anything. */
  async kill(): Promise<void> {
    await this.#end((worker) => worker.kill('SIGKILL'))
  }

  /** Lets the worker end in good order; kills it if it takes too long. */
  async stop(): Promise<void> {
    await this.#end((worker) => {
      if (worker.connected) worker.disconnect()
      const timer = setTimeout(() => worker.kill('SIGKILL'), longestStopMs)
      worker.once('exit', () => clearTimeout(timer))
    })
  }

  async #end(tell: (worker: ChildProcess) => void): Promise<void> {
    const worker = this.#worker
    if (worker === null) return
    // From here on its end is expected.
    this.#worker = null
    // Not 'close': it does not always come once this side has hung up.
    const ended = once(worker, 'exit')
    tell(worker)
    await ended
  }
}
