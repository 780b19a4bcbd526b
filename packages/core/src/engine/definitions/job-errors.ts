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

/** Returns the remedy for a job whose stored row is damaged. */
export function repairOf(jobName: string): string {
  return (
    'Start a node whose code defines the job, which stores it again, or run jobistemer apply with its definition. ' +
    `To give the job up: jobistemer remove ${jobName}.`
  )
}

/** Returns the error of a call that needs the damaged part of a stored job. */
export function unreadableJob(jobName: string, part: string): JobistemerError {
  return new JobistemerError('RECORD_UNREADABLE', {
    message: `The stored ${part} of job ${printValue(jobName)} cannot be read.`,
    field: part,
    value: jobName,
    remedy: repairOf(jobName),
  })
}
