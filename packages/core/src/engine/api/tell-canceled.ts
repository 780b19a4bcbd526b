import type { OccurrenceReason } from '../../occurrence-reason.ts'
import type { SaveJobAnswer } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** Emits `occurrence.canceled` for each waiting occurrence that a change or deletion of its job has canceled. */
export function tellCanceled({ events }: EngineContext, answer: SaveJobAnswer, reason: OccurrenceReason): void {
  if (answer.outcome !== 'saved' || !events.hears('occurrence.canceled')) return
  const { name: jobName } = answer.job
  for (const { id: occurrenceId, jobId, scheduledAt } of answer.canceled) {
    events.emit('occurrence.canceled', {
      jobId,
      jobName,
      occurrenceId,
      scheduledAt: new Date(scheduledAt),
      reason,
    })
  }
}
