import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: the storage lists no overdue job, so nodes take over no overdue slot. */
export function seeNothingOverdue(storage: Storage): Storage {
  return wrapStorage(storage, {
    async listJobs(query) {
      return query.due === undefined ? await storage.listJobs(query) : { items: [], cursor: null }
    },
  })
}
