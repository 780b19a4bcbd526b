import { JobistemerError, printValue } from '../../errors.ts'

export function jobNotFound(name: string, field = 'name'): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `There is no job ${printValue(name)} here.`,
    field,
    value: name,
    remedy:
      'Mend the name, or add the job. A scheduler finds its own jobs and those that are data alone; createClient({ storage }) finds all that are stored.',
  })
}
