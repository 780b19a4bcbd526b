import { JobistemerError, printValue } from '../../errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'

/** The error of a request that meets a full queue. Nothing of the request is stored. */
export function queueFull({ job }: RegisteredJob, maxQueued: number): JobistemerError {
  return new JobistemerError('QUEUE_FULL', {
    message: `The queue of job ${printValue(job.name)} is full: maxQueued is ${maxQueued}. The request is not stored.`,
    field: 'maxQueued',
    value: maxQueued,
    remedy: 'Repeat the request later, or raise maxQueued of the job.',
  })
}
