import { type JobId, JobistemerError, type OccurrenceId } from '@jobistemer/core'

const idForm = /^(?:job|occ)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const prefixLength = 4

/** The UUID of an id; `null` for an id of another form, under which nothing is stored. */
export function uuidOrNull(id: JobId | OccurrenceId): string | null {
  return idForm.test(id) ? id.slice(prefixLength) : null
}

/** The UUID of an id that is to be stored. @throws JobistemerError `STORAGE_REFUSED` */
export function uuidOf(id: JobId | OccurrenceId): string {
  const found = uuidOrNull(id)
  if (found !== null) return found
  throw new JobistemerError('STORAGE_REFUSED', {
    message: `The id is not one that Jobistemer makes: ${id}.`,
    field: 'id',
    value: id,
    remedy: 'Take ids from jobId(), occurrenceId() and what Jobistemer answers.',
  })
}

export function jobIdOf(stored: unknown): JobId {
  return `job_${stored as string}`
}

export function occurrenceIdOf(stored: unknown): OccurrenceId {
  return `occ_${stored as string}`
}
