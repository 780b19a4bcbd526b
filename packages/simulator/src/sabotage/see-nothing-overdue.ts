import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Lists no overdue job, so that the overdue takeover launches nothing. */
export function seeNothingOverdue(storage: Storage): Storage {
  return wrapStorage(storage, {
    async listJobs(query) {
      return query.due === undefined ? await storage.listJobs(query) : { items: [], cursor: null }
    },
  })
}
