import { orderAt } from '@jobistemer/core/storage'

/**
 * @import { JobId, OccurrenceId } from '@jobistemer/core'
 * @import { LiveState, OccurrenceAddress, OccurrenceRecord } from '@jobistemer/core/storage'
 */

// A job's whole tree shares a prefix. What comes behind `!` sorts before `/` and every id.

export const liveStates = /** @type {const} */ (['pending', 'queued', 'running'])

/** The form of what is stored: a number. */
export const formKey = '!form'

/** How many occurrences of all jobs live. */
export const totalsKey = '!counts'

/** @param {JobId} id */
export const jobKey = (id) => `job/${id}`

/** The jobs alone, apart from their trees. @param {JobId} id */
export const listKey = (id) => `jobs/${id}`

/** @param {JobId} id @param {number} version */
export const versionKey = (id, version) => `job/${id}/version/${version}`

/** @param {JobId} jobId @param {OccurrenceId} id */
export const occurrenceKey = (jobId, id) => `job/${jobId}/occurrence/${id}`

/** A job's occurrences by time. @param {OccurrenceAddress} address */
export const timeKey = ({ jobId, scheduledAt, id }) => `job/${jobId}/time/${sortable(scheduledAt)}/${id}`

/** A job's live occurrences by state, each state in its order. @param {LiveState} state @param {OccurrenceRecord} record */
export const liveKey = (state, record) => `job/${record.jobId}/${state}/${placeOf(state, record)}`

/** The live occurrences of all jobs by state, each state in its order. @param {LiveState} state @param {OccurrenceRecord} record */
export const stateKey = (state, record) => `state/${state}/${placeOf(state, record)}`

/** Orders waiting occurrences by priority and time, running ones by time. @param {LiveState} state @param {OccurrenceRecord} record */
const placeOf = (state, record) =>
  `${sortable(state === 'running' ? record.scheduledAt : orderAt(record))}/${record.id}`

/** What failed by its end, of all jobs. @param {OccurrenceRecord} record */
export const failedKey = ({ finishedAt, id }) => `failed/${sortable(finishedAt ?? 0)}/${id}`

/** A job's failures by their end. @param {OccurrenceRecord} record */
export const failedOfJobKey = (record) => `job/${record.jobId}/${failedKey(record)}`

/** The last occurrence of a key that can be used again. @param {JobId} jobId @param {OccurrenceId} keyId */
export const reusableKey = (jobId, keyId) => `job/${jobId}/key/${keyId}`

/** Which job an occurrence is of. @param {OccurrenceId} id */
export const addressKey = (id) => `address/${id}`

/** All keys that begin with a prefix. @param {string} prefix */
export const below = (prefix) => ({ gte: prefix, lt: `${prefix}\uffff` })

/** Text that sorts as instants do, for any that a Date can hold. @param {number} instant */
export const sortable = (instant) => String(instant + 8_640_000_000_000_000).padStart(17, '0')
