import { JobistemerError } from '../../errors.ts'
import type { TaskPlan } from '../definitions/job-plan.ts'
import type { OccurrenceId } from '../../ids.ts'

/**
 * Why the engine stops an attempt. Some reasons need an explanation:
 * - `timeout`: the `taskTimeout` of the attempt, as opposed to `execution_timeout`.
 * - `no_capacity`: a prefetched occurrence has waited too long for a permit.
 * - `isolated`: the node is partitioned, and the job has `whileIsolated: 'abort'`. Not related to isolated tasks.
 * - `lost`: the occurrence has another owner, was canceled by force, or is left to the reaper.
 * - `invalid_payload`: the data do not match the job's schema, or the stored row is damaged.
 */
export type AbortReason =
  | 'timeout'
  | 'fail_fast'
  | 'canceled'
  | 'execution_timeout'
  | 'shutdown'
  | 'no_capacity'
  | 'clock_unconfirmed'
  | 'isolated'
  | 'lost'
  | 'storage_refused'
  | 'invalid_payload'

const handOvers: readonly AbortReason[] = ['shutdown', 'no_capacity', 'clock_unconfirmed', 'isolated']

/** Returns whether this abort reason stops the attempt only so that another owner can make the next attempt. */
export function isHandOver(reason: AbortReason): boolean {
  return handOvers.includes(reason)
}

/** Returns whether a run can fail for this reason although each of its attempts was aborted, so that no attempt has failed. */
export function endsUnlogged(reason: string): boolean {
  return reason === 'execution_timeout' || isHandOver(reason as AbortReason)
}

/** Returns the error with which the signal of an aborted attempt fires. */
export function abortErrorOf(task: TaskPlan, reason: AbortReason): JobistemerError {
  if (reason === 'timeout') return timeoutError(task)
  const code = reason === 'execution_timeout' ? 'EXECUTION_TIMEOUT' : reason === 'lost' ? 'OCCURRENCE_LOST' : 'ABORTED'
  return new JobistemerError(code, {
    message: `The engine aborted the attempt: ${reason}.`,
    field: 'reason',
    value: reason,
  })
}

/** Returns the error of an attempt that exceeded its `taskTimeout`. */
export function timeoutError({ name, settings: { taskTimeoutMs } }: TaskPlan): JobistemerError {
  return new JobistemerError('TASK_TIMEOUT', {
    message: `Task ${JSON.stringify(name)} ran longer than its taskTimeout of ${taskTimeoutMs} ms.`,
    field: 'taskTimeout',
    value: taskTimeoutMs,
    remedy: 'Raise taskTimeout, or make the task faster.',
  })
}

/** Returns the error of a run that cannot start because its stored row is damaged. */
export function unreadableRun(jobName: string, id: OccurrenceId, part: string): JobistemerError {
  return new JobistemerError('RECORD_UNREADABLE', {
    message: `The stored ${part} of run ${id} of job ${JSON.stringify(jobName)} cannot be read.`,
    field: part,
    value: id,
    remedy: 'Find out what changed the row. Then request the run again, with its data.',
  })
}
