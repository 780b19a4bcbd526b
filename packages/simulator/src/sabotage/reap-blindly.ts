import type { ReapItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Compares neither token nor sequence: what runs is taken over by whoever says so, and by what somebody said before. Each
 * request comes once more with the next one, as networks have it.
 */
export function reapBlindly(storage: Storage): Storage {
  let before: readonly ReapItem[] = []
  async function forged(item: ReapItem): Promise<ReapItem> {
    const { occurrences } = await storage.get({ occurrences: [item.id] })
    const [record] = occurrences
    return record == null ? item : { ...item, token: record.token, sequence: record.sequence }
  }
  return wrapStorage(storage, {
    async reap(request) {
      const again = before
      before = request.items
      await storage.reap({ ...request, items: await Promise.all(again.map(forged)) })
      return await storage.reap({ ...request, items: await Promise.all(request.items.map(forged)) })
    },
  })
}
