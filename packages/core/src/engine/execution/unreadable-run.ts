import { JobistemerError } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'

/** The error of a run whose stored row is damaged. */
export function unreadableRun(jobName: string, id: OccurrenceId, part: string): JobistemerError {
  return new JobistemerError('RECORD_UNREADABLE', {
    message: `The stored ${part} of run ${id} of job ${JSON.stringify(jobName)} cannot be read.`,
    field: part,
    value: id,
    remedy: 'Find out what changed the row. Then request the run again, with its data.',
  })
}
