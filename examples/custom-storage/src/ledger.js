import { isFinal, isPrunable, lastSlotOf } from '@jobistemer/core/storage'
import { OccurrenceSteps } from './occurrence-steps.js'

/**
 * @import { JobId } from '@jobistemer/core'
 * @import {
 *   GetAnswer, GetRequest, JobQuery, JobRecord, OccurrenceQuery, OccurrenceRecord, Page, PruneAnswer, PruneRequest
 * } from '@jobistemer/core/storage'
 */

/** The whole state machine: the steps that write, which the journal repeats, and the reads. */
export class Ledger extends OccurrenceSteps {
  /** @param {PruneRequest} request @returns {PruneAnswer} */
  prune({ jobId, before, keep, limit }) {
    const heads = jobId === null ? [...this.jobs.values()] : [this.jobs.get(jobId)].filter((head) => head !== undefined)
    let removed = 0
    for (const head of heads) {
      const old = this.prunable(head, before, keep)
      const now = old.slice(0, limit - removed)
      if (now.length > 0) this.removeHistory(head, now)
      removed += now.length
      if (now.length < old.length) return { removed, more: true }
      this.forget(head.id, before)
    }
    return { removed, more: false }
  }

  /** The records of a job that may go, oldest first. @param {JobRecord} head @param {number} before @param {number} keep */
  prunable(head, before, keep) {
    const ended = this.historyOf(head.id).filter(({ state }) => isFinal(state))
    return ended.slice(0, Math.max(0, ended.length - keep)).filter((record) => isPrunable(record, before, head.nextAt))
  }

  /** @param {JobRecord} head @param {OccurrenceRecord[]} records */
  removeHistory(head, records) {
    const pruneFloor = Math.max(head.pruneFloor ?? Number.NEGATIVE_INFINITY, ...records.map(lastSlotOf))
    this.putHead({ ...head, pruneFloor })
    for (const record of records) this.remove(record)
  }

  /** Drops an old tombstone without history, or the versions that nothing refers to. @param {JobId} jobId @param {number} before */
  forget(jobId, before) {
    const head = /** @type {JobRecord} */ (this.jobs.get(jobId))
    const history = this.historyOf(jobId)
    if (head.deletedAt !== null && head.deletedAt < before && history.length === 0) return this.removeJob(jobId)
    const used = new Set([head.version, ...history.map(({ jobVersion }) => jobVersion)])
    const versions = this.versions.get(jobId)
    for (const version of versions?.keys() ?? []) if (!used.has(version)) versions?.delete(version)
  }

  /** @param {GetRequest} request @returns {GetAnswer} */
  get({ jobs = [], versions = [], occurrences = [] }) {
    return {
      jobs: jobs.map((id) => this.jobs.get(id) ?? null),
      versions: versions.map(({ jobId, version }) => this.versions.get(jobId)?.get(version) ?? null),
      occurrences: occurrences.map((id) => this.occurrences.get(id) ?? null),
    }
  }

  /** @param {JobQuery} query @returns {Page<JobRecord>} */
  listJobs({ changedSince, owner, deleted = false, cursor, limit }) {
    const heads = [...this.jobs.values()]
      .filter((head) => deleted || head.deletedAt === null)
      .filter((head) => owner === undefined || head.owner === owner)
      .filter((head) => changedSince === undefined || head.changedAt >= changedSince)
      .filter((head) => cursor === null || head.id > cursor)
      .sort((left, right) => (left.id < right.id ? -1 : 1))
    return pageOf(heads, limit, (head) => head.id)
  }

  /** @param {OccurrenceQuery} query @returns {Page<OccurrenceRecord>} */
  listOccurrences(query) {
    const records = query.kind === 'job' ? this.historyPage(query) : this.livePage(query)
    const page = pageOf(records, query.limit, placeOf)
    return query.runs ? page : { ...page, items: page.items.map((record) => ({ ...record, runs: [] })) }
  }

  /** @param {Extract<OccurrenceQuery, { kind: 'job' }>} query */
  historyPage({ jobId, from, to, states, order, cursor }) {
    const ascending = order === 'ascending'
    const records = this.historyOf(jobId)
      .filter(({ scheduledAt }) => from === undefined || scheduledAt >= from)
      .filter(({ scheduledAt }) => to === undefined || scheduledAt < to)
      .filter(({ state }) => states === undefined || states.includes(state))
      .filter((record) => cursor === null || (ascending ? placeOf(record) > cursor : placeOf(record) < cursor))
    return ascending ? records : records.reverse()
  }

  /** @param {Extract<OccurrenceQuery, { kind: 'live' }>} query */
  livePage({ state, node, deadlineBefore, cursor }) {
    return this.allLive()
      .filter((record) => record.state === state)
      .filter(({ owner }) => node === undefined || owner?.node === node)
      .filter(
        ({ deadlineAt }) => deadlineBefore === undefined || (deadlineAt ?? Number.POSITIVE_INFINITY) <= deadlineBefore,
      )
      .filter((record) => cursor === null || placeOf(record) > cursor)
  }
}

/**
 * @template T
 * @param {T[]} items
 * @param {number} limit
 * @param {(item: T) => string} place
 * @returns {Page<T>}
 */
function pageOf(items, limit, place) {
  const page = items.slice(0, limit)
  const last = page.at(-1)
  return { items: page, cursor: items.length > limit && last !== undefined ? place(last) : null }
}

/** Text that sorts as the records do, for any instant a Date can hold: what a cursor points behind. @param {OccurrenceRecord} record */
function placeOf({ scheduledAt, id }) {
  return `${String(scheduledAt + 8_640_000_000_000_000).padStart(17, '0')} ${id}`
}
