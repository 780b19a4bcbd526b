import type { DriverEvent } from '../record/history.ts'
import type { StorageServer } from '../storages/storage-server.ts'
import { sleep } from '../support/sleep.ts'
import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import type { StorageFault } from './fault-plan.ts'

/** Number of storage faults, by kind. */
export interface StorageFaultFigures {
  /** Number of times that all connections to the server broke. */
  breaks: number
  /** Number of periods in which answers got lost. */
  lostAnswers: number
  /** Number of periods in which no client reached the server. */
  cuts: number
  /** Number of times that the server received SIGKILL and was restarted with the same data. */
  serverRestarts: number
  /** Number of times that the storage lost all node records, with or without a server crash. */
  nodesForgotten: number
  /** Number of server crashes in which the storage lost acknowledged writes. */
  writesLost: number
}

/** Injects faults of the storage's server and network, one after the other. */
export class StorageBreaker {
  readonly figures: StorageFaultFigures = {
    breaks: 0,
    lostAnswers: 0,
    cuts: 0,
    serverRestarts: 0,
    nodesForgotten: 0,
    writesLost: 0,
  }
  readonly #server: StorageServer | null
  readonly #record: (event: DriverEvent) => void
  readonly #random: SeededRandom
  readonly #forgetNodes: () => Promise<void>
  #last: Promise<void> = Promise.resolve()

  constructor(
    server: StorageServer | null,
    options: { record: (event: DriverEvent) => void; random: SeededRandom; forgetNodes: () => Promise<void> },
  ) {
    this.#server = server
    this.#forgetNodes = options.forgetNodes
    this.#record = options.record
    this.#random = options.random
  }

  /** Injects the fault. Resolves when the fault has ended. */
  carryOut(fault: StorageFault): Promise<void> {
    const server = this.#server
    if (server === null && fault.kind !== 'forget-nodes') return Promise.resolve()
    // Faults run one after the other, because overlapping faults would end each other early.
    this.#last = this.#last.then(() => this.#do(server, fault))
    return this.#last
  }

  async #do(server: StorageServer | null, fault: StorageFault): Promise<void> {
    this.#record({ event: 'storage', fault: fault.kind, ended: false })
    if (server !== null) await this.#breakServer(server, fault)
    if (fault.kind === 'forget-nodes') {
      await this.#forgetNodes()
      this.figures.nodesForgotten++
    }
    this.#record({ event: 'storage', fault: fault.kind, ended: true })
  }

  async #breakServer(server: StorageServer, fault: StorageFault): Promise<void> {
    switch (fault.kind) {
      case 'break':
        await server.breakConnections()
        this.figures.breaks++
        break
      case 'lose-answers':
        server.loseAnswers()
        await sleep(fault.forMs)
        server.heal()
        this.figures.lostAnswers++
        break
      case 'cut':
        server.cut()
        await sleep(fault.forMs)
        server.heal()
        this.figures.cuts++
        break
      case 'restart':
      case 'forget-nodes':
        await server.kill(this.#random.next())
        await sleep(fault.downMs)
        await server.restart()
        this.figures.serverRestarts++
        break
      case 'lose-writes':
        if (server.loseWrites === undefined) return
        await server.loseWrites(fault.forMs)
        this.figures.writesLost++
    }
  }
}
