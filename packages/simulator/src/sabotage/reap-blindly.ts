import type { ReapItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Sabotage: the storage reaps a running occurrence even if the token, owner and sequence of the reap are outdated. Each call
 * also repeats the reaps of the previous call.
 */
export function reapBlindly(storage: Storage): Storage {
  let before: readonly ReapItem[] = []
  async function forged(item: ReapItem): Promise<ReapItem> {
    const { occurrences } = await storage.get({ occurrences: [item.id] })
    const [record] = occurrences
    return record == null ? item : { ...item, token: record.token, owner: record.owner, sequence: record.sequence }
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
