import { isFinal } from '@jobistemer/core/storage'

/**
 * @import { JobId, OccurrenceId } from '@jobistemer/core'
 * @import { JobRecord, JobVersionRecord, OccurrenceRecord } from '@jobistemer/core/storage'
 */

/** The data: three tables and the index that keeps the cost of a step independent of finished history. */
export class Tables {
  /** @type {Map<JobId, JobRecord>} */
  jobs = new Map()
  /** @type {Map<JobId, Map<number, JobVersionRecord>>} */
  versions = new Map()
  /** @type {Map<OccurrenceId, OccurrenceRecord>} */
  occurrences = new Map()
  /** @type {Map<JobId, Map<OccurrenceId, OccurrenceRecord>>} The same occurrences, by job. */
  histories = new Map()
  /** @type {Map<JobId, Map<OccurrenceId, OccurrenceRecord>>} Only the live ones, by job. */
  live = new Map()

  /** @param {JobRecord} head */
  putHead(head) {
    this.jobs.set(head.id, head)
  }

  /** @param {JobVersionRecord} version */
  putVersion(version) {
    tableOf(this.versions, version.jobId).set(version.version, version)
  }

  /** Stores a record in place of the one with its id. Records are never changed, only replaced. @param {OccurrenceRecord} record */
  put(record) {
    this.occurrences.set(record.id, record)
    tableOf(this.histories, record.jobId).set(record.id, record)
    if (isFinal(record.state)) this.live.get(record.jobId)?.delete(record.id)
    else tableOf(this.live, record.jobId).set(record.id, record)
  }

  /** @param {OccurrenceRecord} record */
  remove(record) {
    this.occurrences.delete(record.id)
    this.histories.get(record.jobId)?.delete(record.id)
    this.live.get(record.jobId)?.delete(record.id)
  }

  /** @param {JobId} jobId */
  removeJob(jobId) {
    this.jobs.delete(jobId)
    this.versions.delete(jobId)
    this.histories.delete(jobId)
    this.live.delete(jobId)
  }

  /**
   * The live occurrences of a job in these states, oldest first.
   * @param {JobId} jobId
   * @param {...OccurrenceRecord['state']} states
   */
  liveOf(jobId, ...states) {
    const records = [...(this.live.get(jobId)?.values() ?? [])]
    return records.filter(({ state }) => states.includes(state)).sort(bySchedule)
  }

  /** All occurrences of a job, oldest first. @param {JobId} jobId */
  historyOf(jobId) {
    return [...(this.histories.get(jobId)?.values() ?? [])].sort(bySchedule)
  }

  /** The live occurrences of all jobs, oldest first. */
  allLive() {
    return [...this.live.values()].flatMap((records) => [...records.values()]).sort(bySchedule)
  }

  /** Everything, as the journal's snapshot line keeps it. */
  dump() {
    return {
      jobs: [...this.jobs.values()],
      versions: [...this.versions.values()].flatMap((versions) => [...versions.values()]),
      occurrences: [...this.occurrences.values()],
    }
  }

  /** @param {ReturnType<Tables['dump']>} snapshot */
  load({ jobs, versions, occurrences }) {
    for (const head of jobs) this.putHead(head)
    for (const version of versions) this.putVersion(version)
    for (const record of occurrences) this.put(record)
  }
}

/**
 * @param {Pick<OccurrenceRecord, 'scheduledAt' | 'id'>} left
 * @param {Pick<OccurrenceRecord, 'scheduledAt' | 'id'>} right
 */
function bySchedule(left, right) {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}

/**
 * @template K, I, V
 * @param {Map<K, Map<I, V>>} tables
 * @param {K} key
 * @returns {Map<I, V>}
 */
function tableOf(tables, key) {
  let table = tables.get(key)
  if (table === undefined) {
    table = new Map()
    tables.set(key, table)
  }
  return table
}
