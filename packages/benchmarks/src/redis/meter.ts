import { Redis } from 'ioredis'

/** Where a server listens. */
export interface Server {
  readonly host: string
  readonly port: number
}

/** What some work has cost. */
export interface Cost {
  readonly elapsedMs: number
  /** Of this process and of the server, in microseconds of processor time. */
  readonly nodeUs: number
  readonly serverUs: number
}

/** What so much work costs on average. */
export interface UnitCost {
  readonly perSecond: number
  readonly nodeUs: number
  readonly serverUs: number
}

/** Measures the work of this process and of a server. Processor time says more than the clock where others work too. */
export class Meter {
  readonly #client: Redis

  constructor({ host, port }: Server) {
    this.#client = new Redis({ host, port })
  }

  /** The cost from here to the call of what it answers. */
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
