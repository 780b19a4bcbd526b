import { JobistemerError, printValue } from '../../errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'

/** A request finds that its job is no more. */
export function jobGone(job: RegisteredJob): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} was deleted.`,
    field: 'name',
    value: job.job.name,
    remedy: 'Define it again.',
  })
}
