import { JobistemerError, printValue } from '../../errors.ts'

/** The remedy for a job whose stored row is damaged. */
export function repairOf(jobName: string): string {
  return (
    'Start a node whose code defines the job, which stores it again, or run jobistemer apply with its definition. ' +
    `To give the job up: jobistemer remove ${jobName}.`
  )
}

/** The error of a call that needs the damaged part of a stored job. */
export function unreadableJob(jobName: string, part: string): JobistemerError {
  return new JobistemerError('RECORD_UNREADABLE', {
    message: `The stored ${part} of job ${printValue(jobName)} cannot be read.`,
    field: part,
    value: jobName,
    remedy: repairOf(jobName),
  })
}
