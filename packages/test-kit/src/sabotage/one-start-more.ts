import type { JobChange, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Breaks the storage: one more occurrence of a job may start in an interval than the start rate allows. */
export function oneStartMore(storage: Storage): Storage {
  return wrapStorage(storage, {
    async saveJobs(request) {
      return await storage.saveJobs({ ...request, changes: request.changes.map(withOneMore) })
    },
  })
}

function withOneMore(change: JobChange): JobChange {
  if (change.kind !== 'create' && change.kind !== 'replace') return change
  const { overlap } = change.content
  const { startRate } = overlap
  if (startRate === undefined) return change
  const more = { ...overlap, startRate: { ...startRate, limit: startRate.limit + 1 } }
  return { ...change, content: { ...change.content, overlap: more } }
}
