import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'

/**
 * A storage that can lose data in two ways:
 * - It loses all its data, like a restarted server without persistence.
 * - It loses only its last writes, like a server that was replaced by a replica without these writes.
 */
export class LosingStorage {
  #present: Storage = empty()
  /** A second storage, the replica. It receives the same calls as `#present` until `fallBehind` is called. */
  #replica: Storage = empty()
  #isBehind = false

  /**
   * Makes a connection that a scheduler can continue to use after the storage has lost its data. The connection receives no
   * wake-ups.
   */
  connect(): Storage {
    return wrapStorage(empty(), {
      serverTime: undefined,
      subscribe: undefined,
      around: async ({ method, request }) => {
        const to = async (storage: Storage) =>
          await (storage[method] as (request: unknown) => unknown).call(storage, request)
        if (!this.#isBehind) await to(this.#replica)
        return await to(this.#present)
      },
    })
  }

  loseAll(): void {
    this.#present = empty()
    this.#replica = empty()
  }

  /** Stops sending storage calls to the replica. */
  fallBehind(): void {
    this.#isBehind = true
  }

  /** Promotes the replica. */
  failOver(): void {
    this.#present = this.#replica
  }
}

function empty(): Storage {
  return memoryStorage({ database: memoryDatabase() })
}
