import { JobistemerError } from '../../errors.ts'

/** The phases of a scheduler's life. */
export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

export function stateError(action: string, phase: Phase, remedy: string): JobistemerError {
  return new JobistemerError('SCHEDULER_STATE', {
    message: `Cannot ${action} a scheduler that is ${phase}.`,
    field: 'scheduler',
    value: phase,
    remedy,
  })
}

export function clientClosed(): JobistemerError {
  return new JobistemerError('SCHEDULER_STATE', {
    message: 'Cannot use a client that is closed.',
    field: 'client',
    value: 'closed',
    remedy: 'Create another one.',
  })
}
