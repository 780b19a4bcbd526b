import { JobistemerError, printValue } from '../../errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'

/** The error of a request whose job was deleted. */
export function jobGone(job: RegisteredJob): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} was deleted.`,
    field: 'name',
    value: job.job.name,
    remedy: 'Define it again.',
  })
}
