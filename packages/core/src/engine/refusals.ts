import { JobistemerError, printValue } from '../errors.ts'

/** Of the life of a scheduler. */
export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

export function jobNotFound(name: string): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `This scheduler has no job ${printValue(name)}.`,
    field: 'name',
    value: name,
    remedy: 'Pass the job to createScheduler({ jobs }), or add it.',
  })
}

export function stateError(action: string, phase: Phase, remedy: string): JobistemerError {
  return new JobistemerError('SCHEDULER_STATE', {
    message: `Cannot ${action} a scheduler that is ${phase}.`,
    field: 'scheduler',
    value: phase,
    remedy,
  })
}
