import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

const tooMuchMs = 30_000

/** Sabotage: a prune removes more history than requested, and does not report that it has raised the prune floor. */
export function deleteEarly(storage: Storage): Storage {
  return wrapStorage(storage, {
    async prune(request) {
      return await storage.prune({ ...request, before: request.before + tooMuchMs, keep: 0 })
    },
    async get(request) {
      const answer = await storage.get(request)
      return { ...answer, jobs: answer.jobs.map((job) => (job === null ? null : withoutFloor(job))) }
    },
    async listJobs(query) {
      const page = await storage.listJobs(query)
      return { ...page, items: page.items.map(withoutFloor) }
    },
  })
}

function withoutFloor(job: JobRecord): JobRecord {
  return { ...job, pruneFloor: null }
}
