import type { CreateAnswer, CreateItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: a recovery ignores the watermark, so two nodes can recover the same slots. */
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
