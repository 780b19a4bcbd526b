import type { JobId } from '@jobistemer/core'
import type { CreateAnswer, CreateItem, JobRecord, SaveJobAnswer, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** The watermark and the next instant that a job had when it was last replaced. */
interface Standpoint {
  readonly watermark: number
  readonly nextAt: number | null
}

/**
 * Sabotage: each time a job is replaced, its watermark moves back to the value that it had at the previous replacement. Nodes
 * then create the slots between these two values a second time.
 */
export function moveWatermarkBack(): (storage: Storage) => Storage {
  const earlier = new Map<JobId, Standpoint>()
  const movedBack = new Map<JobId, Standpoint>()
  return (storage) =>
    wrapStorage(storage, {
      async saveJobs(request) {
        const answers = await storage.saveJobs(request)
        return answers.map((answer, index): SaveJobAnswer => {
          const change = request.changes[index]
          if (answer.outcome !== 'saved' || change === undefined) return answer
          const { id, watermark, nextAt } = answer.job
          const before = earlier.get(id)
          earlier.set(id, { watermark, nextAt })
          if (change.kind !== 'replace' || before === undefined || before.watermark === watermark) return answer
          movedBack.set(id, before)
          return { ...answer, job: moved(answer.job, movedBack) }
        })
      },
      async createOccurrences(request) {
        const answers = await storage.createOccurrences(request)
        return answers.map((answer, index) => answerOnceMore(answer, request.items[index] as CreateItem, movedBack))
      },
    })
}

function moved(job: JobRecord, movedBack: ReadonlyMap<JobId, Standpoint>): JobRecord {
  return { ...job, ...movedBack.get(job.id) }
}

function answerOnceMore(answer: CreateAnswer, item: CreateItem, movedBack: Map<JobId, Standpoint>): CreateAnswer {
  const back = movedBack.get(item.jobId)
  if (back === undefined || item.kind !== 'slot' || item.scheduledAt !== back.nextAt) return answer
  movedBack.delete(item.jobId)
  const running = item.runs !== null
  return {
    outcome: 'created',
    state: running ? 'running' : 'pending',
    token: running ? 1 : 0,
    reason: null,
    displaced: [],
    cancelRequested: [],
  }
}
