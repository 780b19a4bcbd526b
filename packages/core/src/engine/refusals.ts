import { JobistemerError } from '../errors.ts'

/** Of the life of a scheduler. */
export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

export function stateError(action: string, phase: Phase, remedy: string): JobistemerError {
  return new JobistemerError('SCHEDULER_STATE', {
    message: `Cannot ${action} a scheduler that is ${phase}.`,
    field: 'scheduler',
    value: phase,
    remedy,
  })
}
