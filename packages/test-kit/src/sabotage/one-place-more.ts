import type { JobChange, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/**
 * Breaks the storage: one more occurrence of a job than `maxConcurrency` may be active, if `maxConcurrency` is greater
 * than 1.
 */
export function onePlaceMore(storage: Storage): Storage {
  return wrapStorage(storage, {
    async saveJobs(request) {
      return await storage.saveJobs({ ...request, changes: request.changes.map(withOneMore) })
    },
  })
}

function withOneMore(change: JobChange): JobChange {
  if (change.kind !== 'create' && change.kind !== 'replace') return change
  const { overlap } = change.content
  if (overlap.maxConcurrency === undefined) return change
  const more = { ...overlap, maxConcurrency: overlap.maxConcurrency + 1 }
  return { ...change, content: { ...change.content, overlap: more } }
}
