import type { TcpProxy } from '@jobistemer/test-servers'
import type { StorageServer } from './storage-server.ts'

/** A process of a storage's server, and the proxy through which clients reach it. */
export interface ProxiedProcess {
  readonly server: { kill(): Promise<void>; restart(): Promise<void>; stop(): Promise<void> }
  readonly proxy: TcpProxy
}

/** A storage's server that consists of one or more processes behind proxies. */
export class ProxiedServer implements StorageServer {
  readonly #processes: readonly ProxiedProcess[]
  #killed: ProxiedProcess | null = null

  constructor(processes: readonly ProxiedProcess[]) {
    this.#processes = processes
  }

  breakConnections(): void | Promise<void> {
    for (const { proxy } of this.#processes) proxy.breakConnections()
  }

  loseAnswers(): void {
    for (const { proxy } of this.#processes) proxy.loseAnswers()
  }

  cut(): void {
    for (const { proxy } of this.#processes) proxy.cut()
  }

  heal(): void {
    for (const { proxy } of this.#processes) proxy.heal()
  }

  async kill(choice: number): Promise<void> {
    const victim = this.#processes[Math.floor(choice * this.#processes.length)]
    if (victim === undefined) return
    this.#killed = victim
    await victim.server.kill()
  }

  async restart(): Promise<void> {
    await this.#killed?.server.restart()
    this.#killed = null
  }

  /** Stops all processes and proxies. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map(({ proxy }) => proxy.close()))
    await Promise.all(this.#processes.map(({ server }) => server.stop()))
  }
}
