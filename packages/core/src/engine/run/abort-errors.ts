import { JobistemerError } from '../../errors.ts'
import type { AbortReason, TaskProgress } from './task-progress.ts'

/** What the signal of an attempt aborts with on its timeout. */
export function timeoutError(task: TaskProgress): JobistemerError {
  const { taskTimeoutMs } = task.plan.settings
  return new JobistemerError('TASK_TIMEOUT', {
    message: `Task ${JSON.stringify(task.plan.name)} ran longer than its taskTimeout of ${taskTimeoutMs} ms.`,
    field: 'taskTimeout',
    value: taskTimeoutMs,
    remedy: 'Raise taskTimeout, or make the task faster.',
  })
}

/** What the signal of an attempt aborts with for any other reason. */
export function abortError(reason: AbortReason): JobistemerError {
  return new JobistemerError(
    reason === 'execution_timeout' ? 'EXECUTION_TIMEOUT' : reason === 'lost' ? 'OCCURRENCE_LOST' : 'ABORTED',
    {
      message: `The attempt was told to stop: ${reason}.`,
      field: 'reason',
      value: reason,
    },
  )
}
