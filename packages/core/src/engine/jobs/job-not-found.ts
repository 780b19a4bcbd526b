import { JobistemerError, printValue } from '../../errors.ts'

export function jobNotFound(name: string, field = 'name'): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `This scheduler has no job ${printValue(name)}.`,
    field,
    value: name,
    remedy: 'Pass the job to createScheduler({ jobs }), or add it.',
  })
}
