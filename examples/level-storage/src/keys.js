import { orderAt } from '@jobistemer/core/storage'

/**
 * @import { JobId, OccurrenceId } from '@jobistemer/core'
 * @import { LiveState, OccurrenceAddress, OccurrenceRecord } from '@jobistemer/core/storage'
 */

// The keys of the database. The records and indexes of one job have keys that begin with `job/ID`. Keys that begin with
// `!` sort before all other keys.

export const liveStates = /** @type {const} */ (['pending', 'queued', 'running'])

/** Key under which the database stores the number of its data format. */
export const formKey = '!form'

/** Key of the counts of live occurrences of all jobs. */
export const totalsKey = '!counts'

/** @param {JobId} id */
export const jobKey = (id) => `job/${id}`

/** Key of a job in the list of all jobs. No other keys begin with `jobs/`. @param {JobId} id */
export const listKey = (id) => `jobs/${id}`

/** @param {JobId} id @param {number} version */
export const versionKey = (id, version) => `job/${id}/version/${version}`

/** @param {JobId} jobId @param {OccurrenceId} id */
export const occurrenceKey = (jobId, id) => `job/${jobId}/occurrence/${id}`

/** Key of an occurrence in its job's index by time. @param {OccurrenceAddress} address */
export const timeKey = ({ jobId, scheduledAt, id }) => `job/${jobId}/time/${sortable(scheduledAt)}/${id}`

/**
 * Key of a live occurrence in its job's index by state.
 * @param {LiveState} state
 * @param {OccurrenceRecord} record
 */
export const liveKey = (state, record) => `job/${record.jobId}/${state}/${placeOf(state, record)}`

/**
 * Key of a live occurrence in the index by state, which contains the live occurrences of all jobs.
 * @param {LiveState} state
 * @param {OccurrenceRecord} record
 */
export const stateKey = (state, record) => `state/${state}/${placeOf(state, record)}`

/**
 * Returns the last part of an index key. Within a state, the index sorts by this part: waiting occurrences by priority
 * and time, running occurrences by scheduled time.
 * @param {LiveState} state
 * @param {OccurrenceRecord} record
 */
const placeOf = (state, record) =>
  `${sortable(state === 'running' ? record.scheduledAt : orderAt(record))}/${record.id}`

/**
 * Key of a failed occurrence in the index of the failures of all jobs. The index sorts failures by the time of their end.
 * @param {OccurrenceRecord} record
 */
export const failedKey = ({ finishedAt, id }) => `failed/${sortable(finishedAt ?? 0)}/${id}`

/**
 * Key of a failed occurrence in the index of its job's failures. The index sorts failures by the time of their end.
 * @param {OccurrenceRecord} record
 */
export const failedOfJobKey = (record) => `job/${record.jobId}/${failedKey(record)}`

/**
 * Key of the entry for a reusable request key. The entry contains the id of the last occurrence that was created with this
 * request key.
 * @param {JobId} jobId @param {OccurrenceId} keyId
 */
export const reusableKey = (jobId, keyId) => `job/${jobId}/key/${keyId}`

/**
 * Key of the entry with the job id of an occurrence. The ledger reads this entry if a caller gives only an occurrence id.
 * @param {OccurrenceId} id
 */
export const addressKey = (id) => `address/${id}`

/** Range of all keys with a prefix. @param {string} prefix */
export const below = (prefix) => ({ gte: prefix, lt: `${prefix}\uffff` })

/** Returns an instant as a text. The texts sort like their instants. @param {number} instant */
export const sortable = (instant) => String(instant + 8_640_000_000_000_000).padStart(17, '0')
