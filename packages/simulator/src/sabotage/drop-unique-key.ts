import type { CreateAnswer, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: the storage has no unique key, and answers the creation of an existing occurrence with `created`. */
export function dropUniqueKey(storage: Storage): Storage {
  return wrapStorage(storage, {
    async createOccurrences(request) {
      const answers = await storage.createOccurrences(request)
      return answers.map((answer, index): CreateAnswer => {
        const item = request.items[index]
        if (answer.outcome !== 'exists' || item === undefined || !('runs' in item) || item.runs === null) return answer
        return { outcome: 'created', state: 'running', token: 1, reason: null, displaced: [], cancelRequested: [] }
      })
    },
  })
}
