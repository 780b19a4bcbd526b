import { Redis } from 'ioredis'

/** The address of a Redis server. */
export interface Server {
  readonly host: string
  readonly port: number
}

/** The elapsed time of measured work, and its CPU time on the node and on the server. */
export interface Cost {
  readonly elapsedMs: number
  /** Processor time of this process and of the server, in microseconds. */
  readonly nodeUs: number
  readonly serverUs: number
}

/** The units of work per second, and the CPU time for each unit. */
export interface UnitCost {
  readonly perSecond: number
  readonly nodeUs: number
  readonly serverUs: number
}

/** Measures the CPU time of this process and of a server. Unlike elapsed time, CPU time does not depend on other load. */
export class Meter {
  readonly #client: Redis

  constructor({ host, port }: Server) {
    this.#client = new Redis({ host, port })
  }

  /** Starts a measurement. The returned function ends it and returns the cost. */
  async start(): Promise<() => Promise<Cost>> {
    const serverBefore = await this.#serverUs()
    const nodeBefore = process.cpuUsage()
    const startedAt = performance.now()
    return async () => {
      const elapsedMs = performance.now() - startedAt
      const { user, system } = process.cpuUsage(nodeBefore)
      return { elapsedMs, nodeUs: user + system, serverUs: (await this.#serverUs()) - serverBefore }
    }
  }

  close(): void {
    this.#client.disconnect()
  }

  async #serverUs(): Promise<number> {
    const info = await this.#client.info('cpu')
    const seconds = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1] ?? 0)
    return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1_000_000
  }
}

export function unitCost({ elapsedMs, nodeUs, serverUs }: Cost, count: number): UnitCost {
  return { perSecond: (count * 1000) / elapsedMs, nodeUs: nodeUs / count, serverUs: serverUs / count }
}
