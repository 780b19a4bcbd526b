import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'

/**
 * A storage that can lose all that it holds, as a server without persistence does that is restarted; or its last moments, as
 * one does whose replica was behind when it was promoted.
 */
export class LosingStorage {
  #present: Storage = empty()
  /** Gets every call too. */
  #replica: Storage = empty()
  #isBehind = false

  /** A connection that outlives the loss. It is told of nothing. */
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

  /** From now on the replica gets nothing more. */
  fallBehind(): void {
    this.#isBehind = true
  }

  /** The replica is promoted. */
  failOver(): void {
    this.#present = this.#replica
  }
}

function empty(): Storage {
  return memoryStorage({ database: memoryDatabase() })
}
