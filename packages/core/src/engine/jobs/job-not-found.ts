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

/** Of a call that cannot wait until the job is looked up. */
export function jobNotHeld(name: string): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `This scheduler does not hold job ${printValue(name)} now: more jobs are stored than it holds.`,
    field: 'name',
    value: name,
    remedy: 'Await explain() or another call about the job first, which looks it up, or raise heldJobs.',
  })
}
