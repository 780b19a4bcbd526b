import { isFailure, isFinal, namingKey } from '@jobistemer/core/storage'
import * as keys from './keys.js'

/**
 * @import { JobWrite, LiveCounts, OccurrenceRecord } from '@jobistemer/core/storage'
 * @typedef {{ type: 'put', key: string, value: unknown } | { type: 'del', key: string }} Write
 */

/**
 * Returns one batch of database writes for the changes of several ledger steps.
 * @param {readonly JobWrite[]} writes
 * @param {LiveCounts} totals
 * @returns {Write[]}
 */
export function batchOf(writes, totals) {
  const sum = { ...totals }
  for (const { before, after } of writes) {
    for (const state of keys.liveStates) sum[state] += after.counts[state] - (before?.counts[state] ?? 0)
  }
  return [put(keys.totalsKey, sum), ...writes.flatMap(jobWrites)]
}

/** @param {JobWrite} write @returns {Write[]} */
function jobWrites({ jobId, before: known, after, versions, occurrences }) {
  return [
    put(keys.jobKey(jobId), { job: after.job, counts: after.counts }),
    ...(known === null ? [put(keys.listKey(jobId), keys.jobKey(jobId))] : []),
    ...versions.map((version) => put(keys.versionKey(jobId, version.version), version)),
    ...occurrences.flatMap(({ before, after: record }) => [
      ...(before === null ? [] : indexesOf(before.record).map(del)),
      put(keys.occurrenceKey(jobId, record.id), record),
      ...(before === null ? [put(keys.addressKey(record.id), jobId), ...namedBy(record)] : []),
      ...indexesOf(record).map((key) => put(key, keys.occurrenceKey(jobId, record.id))),
    ]),
  ]
}

/** @param {OccurrenceRecord} record */
function namedBy(record) {
  const keyId = namingKey(record)
  return keyId === undefined ? [] : [put(keys.reusableKey(record.jobId, keyId), record.id)]
}

/** Returns the index keys that refer to an occurrence's record. @param {OccurrenceRecord} record */
export function indexesOf(record) {
  const { state } = record
  const byTime = keys.timeKey(record)
  if (isFailure(state)) return [byTime, keys.failedKey(record), keys.failedOfJobKey(record)]
  return isFinal(state) ? [byTime] : [byTime, keys.liveKey(state, record), keys.stateKey(state, record)]
}

/** @param {string} key @param {unknown} value */
export const put = (key, value) => /** @type {const} */ ({ type: 'put', key, value })

/** @param {string} key */
export const del = (key) => /** @type {const} */ ({ type: 'del', key })
