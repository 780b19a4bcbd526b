import type { Storage, StorageWithin } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Breaks the storage: it accepts the completion in a transaction of a former owner, while a later owner runs the
 * occurrence.
 */
export function completeLate(storage: Storage): Storage {
  return wrapStorage(storage, {
    within(transaction) {
      const within = storage.within?.(transaction) as StorageWithin
      return {
        ...within,
        async settle({ now, items }) {
          const { occurrences } = await storage.get({ occurrences: items.map(({ id }) => id) })
          const forged = items.map((item, index) => {
            const { token, owner } = occurrences[index] ?? item
            return { ...item, token, ...(owner !== undefined && { owner }) }
          })
          return await within.settle({ now, items: forged })
        },
      }
    },
  })
}
