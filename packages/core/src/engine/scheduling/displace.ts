import type { CreateAnswer } from '../../storage/storage.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'

/** Applies the effects of a new occurrence under `queue_one` and `cancel_running`: cancels runs and reports displaced ones. */
export function displace(
  engine: EngineContext,
  pool: ExecutionPool,
  job: RegisteredJob,
  answer: Extract<CreateAnswer, { readonly outcome: 'created' }>,
): void {
  for (const notice of answer.cancelRequested) pool.get(notice.id)?.cancel(notice.reason)
  if (answer.displaced.length === 0) return
  void pool.relay?.displaced(answer.displaced)
  if (!engine.events.hears('occurrence.canceled')) return
  for (const { id: occurrenceId, jobId, scheduledAt } of answer.displaced) {
    const event = {
      jobId,
      jobName: job.job.name,
      occurrenceId,
      scheduledAt: new Date(scheduledAt),
      reason: 'displaced',
    }
    engine.events.emit('occurrence.canceled', event)
  }
}
