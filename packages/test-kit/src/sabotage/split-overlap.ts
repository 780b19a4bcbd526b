import type { CreateItem, JobChange, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Breaks the storage: one step reads whether the job has a running occurrence, and a later step starts the new one. */
export function splitOverlap(storage: Storage): Storage {
  async function unlessBusy(item: CreateItem): Promise<CreateItem> {
    if (!('runs' in item) || item.runs === null) return item
    const { jobId } = item
    const running = await storage.listOccurrences({
      kind: 'job',
      jobId,
      states: ['running'],
      order: 'descending',
      runs: false,
      limit: 1,
      cursor: null,
    })
    return running.items.length === 0 ? item : { ...item, runs: null }
  }
  return wrapStorage(storage, {
    async saveJobs({ now, changes }) {
      return await storage.saveJobs({ now, changes: changes.map(withoutRule) })
    },
    async createOccurrences(request) {
      return await storage.createOccurrences({ ...request, items: await Promise.all(request.items.map(unlessBusy)) })
    },
  })
}

/** Returns the job with the overlap policy `allow`, so that the storage does not limit concurrent occurrences. */
function withoutRule(change: JobChange): JobChange {
  if (change.kind !== 'create' && change.kind !== 'replace') return change
  const overlap = { ...change.content.overlap, policy: 'allow' as const }
  return { ...change, content: { ...change.content, overlap } }
}
