import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const startLimitMs = 60_000
const stopLimitMs = 10_000
const lookEveryMs = 20

const alive = new Map<ChildProcess, NodeJS.Signals>()

// When this process exits, also after an error, it ends all servers that still run.
process.on('exit', () => {
  for (const [child, signal] of alive) child.kill(signal)
})

/** The command that starts a server, and the probe that checks whether the server answers. */
export interface ServerCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly directory: string
  /** Whether the server has its own process group, so that Ctrl-C does not reach it. Default false. */
  readonly ownGroup?: boolean | undefined
  /** The user who runs the server. Default: the user of this process. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** The signal that ends the server gently. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** The signal that ends the server like a crash. Default SIGKILL. */
  readonly killSignal?: NodeJS.Signals
  /** Resolves if the server with this process id answers; otherwise rejects. */
  readonly probe: (pid: number) => Promise<void>
}

/** A server as a child process that can be restarted. */
export class ServerProcess {
  readonly #command: ServerCommand
  #child: ChildProcess | null = null
  #output = ''

  constructor(command: ServerCommand) {
    this.#command = command
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`${this.#command.program} is not running`)
    return pid
  }

  /** Starts the server. Resolves when the server answers. @throws Error with the server's output if it does not answer */
  async start(): Promise<void> {
    const { program, args, directory, ownGroup = false, user, killSignal = 'SIGKILL', probe } = this.#command
    this.#output = ''
    const child = spawn(program, args, {
      cwd: directory,
      detached: ownGroup,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    })
    const collect = (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-4000)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.on('error', (error) => collect(`${error.message}\n`))
    child.once('close', () => alive.delete(child))
    alive.set(child, killSignal)
    this.#child = child
    const deadline = performance.now() + startLimitMs
    for (;;) {
      await sleep(lookEveryMs)
      // This check must come before the probe. If the server has ended because another server has the port, the probe
      // would reach that other server.
      if (hasEnded(child)) throw new Error(`${program} ended while it started:\n${this.#output}`)
      try {
        await probe(child.pid as number)
        if (!hasEnded(child)) return
      } catch (error) {
        if (performance.now() < deadline) continue
        child.kill('SIGKILL')
        throw new Error(`${program} does not answer ${startLimitMs} ms after its start:\n${this.#output}`, {
          cause: error,
        })
      }
    }
  }

  /** Ends the server gently, and kills it if it has not ended after `stopLimitMs`. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const killer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
    // A stopped process (SIGSTOP) handles only SIGCONT and SIGKILL, so SIGCONT comes first.
    child.kill('SIGCONT')
    await this.#end(this.#command.stopSignal ?? 'SIGTERM')
    clearTimeout(killer)
  }

  async kill(): Promise<void> {
    await this.#end(this.#command.killSignal ?? 'SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null) return
    const ended = hasEnded(child) ? undefined : new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
    this.#child = null
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}
