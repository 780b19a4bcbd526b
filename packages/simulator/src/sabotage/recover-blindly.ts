import type { CreateAnswer, CreateItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: a recovery does not compare the watermark, so a late node recovers a window that another node has recovered. */
export function recoverBlindly(storage: Storage): Storage {
  return wrapStorage(storage, {
    async createOccurrences(request) {
      const answers = await storage.createOccurrences(request)
      return answers.map((answer, index): CreateAnswer => {
        const item = request.items[index] as CreateItem
        const isLate = answer.outcome === 'exists' || answer.outcome === 'off_schedule'
        if (item.kind !== 'recovery' || !isLate) return answer
        return { outcome: 'created', state: 'pending', token: 0, reason: null, displaced: [], cancelRequested: [] }
      })
    },
  })
}
