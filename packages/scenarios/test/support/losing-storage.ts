import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'

/** A storage that can lose all that it holds, as a server without persistence does that is restarted. */
export class LosingStorage {
  #present: Storage = empty()

  /** A connection that outlives the loss. It is told of nothing. */
  connect(): Storage {
    return wrapStorage(empty(), {
      serverTime: undefined,
      subscribe: undefined,
      around: ({ method, request }) => {
        const call = this.#present[method] as (request: unknown) => Promise<unknown>
        return call.call(this.#present, request)
      },
    })
  }

  loseAll(): void {
    this.#present = empty()
  }
}

function empty(): Storage {
  return memoryStorage({ database: memoryDatabase() })
}
