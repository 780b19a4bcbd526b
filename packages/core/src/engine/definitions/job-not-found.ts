import { JobistemerError, printValue } from '../../errors.ts'

export function jobNotFound(name: string, field = 'name'): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `There is no job ${printValue(name)} here.`,
    field,
    value: name,
    remedy:
      'Correct the name, or add the job. A scheduler finds its own jobs and jobs that are data; createClient({ storage }) finds all stored jobs.',
  })
}
