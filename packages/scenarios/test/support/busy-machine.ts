import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, wrapStorage } from '@jobistemer/core/testing'

/** The costs of storage calls: how many milliseconds of work on one processor core a call causes. */
export interface Costs {
  /** The cost on the server: `serverCall` for each call, and `serverItem` for each item of a call. */
  readonly serverCall: number
  readonly serverItem: number
  /** The cost on the calling node: `nodeCall` for each call, and `nodeItem` for each item of a call. */
  readonly nodeCall: number
  readonly nodeItem: number
}

/**
 * Simulates a machine with two processor cores. The work of a node or of the database server starts when a core is free and
 * the earlier work of this node or server is done.
 */
export class BusyMachine {
  /** Whether storage calls take time. The value is `false` until the test starts the load. */
  isBusy = false
  /** Number of occurrences that all nodes have asked the storage to create. */
  asked = 0
  /** The number of `claim` calls of all nodes. */
  claims = 0
  readonly #clock: VirtualClock
  readonly #costs: Costs
  readonly #cores: [number, number] = [0, 0]
  /** The instant at which each node, and the server, completes its present work. */
  readonly #doneAt = new Map<string, number>()

  constructor(clock: VirtualClock, costs: Costs) {
    this.#clock = clock
    this.#costs = costs
  }

  /** Wraps a node's connection to the storage, so that its calls take processor time. */
  connect(storage: Storage, node: string): Storage {
    const { serverCall, serverItem, nodeCall, nodeItem } = this.#costs
    return wrapStorage(storage, {
      serverTime: undefined,
      around: async (call) => {
        const sent = call.method === 'createOccurrences' || call.method === 'settle' ? call.request.items.length : 0
        if (call.method === 'createOccurrences') this.asked += sent
        if (call.method === 'claim') this.claims++
        await this.#work(node, nodeCall + (sent * nodeItem) / 2)
        await this.#work('server', serverCall + sent * serverItem)
        const answer = await call.proceed()
        const got = call.method === 'claim' ? (answer as { readonly claimed: readonly unknown[] }).claimed.length : 0
        if (got > 0) await this.#work('server', got * serverItem)
        await this.#work(node, nodeCall + (sent / 2 + got) * nodeItem)
        return answer
      },
    })
  }

  async #work(who: string, costMs: number): Promise<void> {
    if (!this.isBusy) return
    const now = this.#clock.monotonic()
    const core = this.#cores[0] <= this.#cores[1] ? 0 : 1
    const doneAt = Math.max(now, this.#cores[core], this.#doneAt.get(who) ?? 0) + costMs
    this.#cores[core] = Math.max(now, this.#cores[core]) + costMs
    this.#doneAt.set(who, doneAt)
    await this.#clock.sleep(doneAt - now)
  }
}
