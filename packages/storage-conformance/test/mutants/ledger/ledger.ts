import type { JobId } from '@jobistemer/core'
import type {
  GetAnswer,
  GetRequest,
  JobQuery,
  JobRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Page,
  PruneAnswer,
  PruneRequest,
} from '@jobistemer/core/storage'
import { isFinal, isPrunable, lastSlotOf } from '@jobistemer/core/storage'
import { NodeSteps } from './node-steps.ts'

/**
 * A complete state machine of a storage: each writing step is one synchronous function. Mutants replace some of its
 * steps.
 */
export class Ledger extends NodeSteps {
  /** Whether `listJobs` supports the query `due`. */
  readonly findsDueJobs: boolean = false
  /** Whether the call that ends an occurrence can also take the next one. */
  readonly takesNext: boolean = true

  prune({ jobId, before, keep, limit }: PruneRequest): PruneAnswer {
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

  /** Returns the records of a job that `prune` may remove, oldest first. */
  prunable(head: JobRecord, before: number, keep: number) {
    const ended = this.historyOf(head.id).filter(({ state }) => isFinal(state))
    return ended.slice(0, Math.max(0, ended.length - keep)).filter((record) => isPrunable(record, before, head.nextAt))
  }

  removeHistory(head: JobRecord, records: OccurrenceRecord[]) {
    const pruneFloor = Math.max(head.pruneFloor ?? Number.NEGATIVE_INFINITY, ...records.map(lastSlotOf))
    this.putHead({ ...head, pruneFloor })
    for (const record of records) this.remove(record)
  }

  /**
   * Removes the job if it is an old tombstone without occurrences. Otherwise removes the versions that no record uses, except
   * the version in force.
   */
  forget(jobId: JobId, before: number) {
    const head = this.jobs.get(jobId) as JobRecord
    const history = this.historyOf(jobId)
    if (head.deletedAt !== null && head.deletedAt < before && history.length === 0) return this.removeJob(jobId)
    const used = new Set([head.version, ...history.map(({ jobVersion }) => jobVersion)])
    const versions = this.versions.get(jobId)
    for (const version of versions?.keys() ?? []) if (!used.has(version)) versions?.delete(version)
  }

  get({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }: GetRequest): GetAnswer {
    return {
      jobs: jobs.map((id) => this.jobs.get(id) ?? null),
      versions: versions.map(({ jobId, version }) => this.versions.get(jobId)?.get(version) ?? null),
      occurrences: occurrences.map((id) => this.occurrences.get(id) ?? null),
      counts: counts.map((id) => this.countsOf(id)),
      latest: latest.map((id) => this.latestOf(id)),
    }
  }

  latestOf(jobId: JobId): OccurrenceRecord | null {
    const found = this.historyOf(jobId).findLast((record) => this.wasRun(record))
    return found === undefined ? null : { ...found, runs: [] }
  }

  /** Returns whether an occurrence was run and has ended. */
  wasRun({ state, token }: OccurrenceRecord): boolean {
    return isFinal(state) && token > 0
  }

  listJobs({ changedSince, owner, deleted = false, cursor, limit }: JobQuery): Page<JobRecord> {
    const heads = [...this.jobs.values()]
      .filter((head) => deleted || head.deletedAt === null)
      .filter((head) => owner === undefined || head.owner === owner)
      .filter((head) => changedSince === undefined || head.changedAt >= changedSince)
      .filter((head) => cursor === null || head.id > cursor)
      .sort((left, right) => (left.id < right.id ? -1 : 1))
    return pageOf(heads, limit, (head) => head.id)
  }

  listOccurrences(query: OccurrenceQuery): Page<OccurrenceRecord> {
    if (query.kind === 'failed') return this.failedPage(query)
    const records = query.kind === 'job' ? this.historyPage(query) : this.livePage(query)
    const page = pageOf(records, query.limit, placeOf)
    return query.runs ? page : { ...page, items: page.items.map((record) => ({ ...record, runs: [] })) }
  }

  historyPage({ jobId, from, to, states, order, cursor }: Extract<OccurrenceQuery, { kind: 'job' }>) {
    const ascending = order === 'ascending'
    const records = this.historyOf(jobId)
      .filter(({ scheduledAt }) => from === undefined || scheduledAt >= from)
      .filter(({ scheduledAt }) => to === undefined || scheduledAt < to)
      .filter(({ state }) => states === undefined || states.includes(state))
      .filter((record) => cursor === null || (ascending ? placeOf(record) > cursor : placeOf(record) < cursor))
    return ascending ? records : records.reverse()
  }

  failedPage(query: Extract<OccurrenceQuery, { kind: 'failed' }>): Page<OccurrenceRecord> {
    const { jobId, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, cursor, runs } = query
    const rises = query.order === 'ascending'
    const records = [...this.failed.values()]
      .filter((record) => jobId === undefined || record.jobId === jobId)
      .filter(({ finishedAt }) => finishedAt !== null && finishedAt >= from && finishedAt < to)
      .map((record) => ({ record, place: this.failurePlace(record) }))
      .filter(({ place }) => cursor === null || (rises ? place > cursor : place < cursor))
      .sort((left, right) => (left.place < right.place ? -1 : 1))
    const { items, cursor: next } = pageOf(rises ? records : records.reverse(), query.limit, ({ place }) => place)
    return { items: items.map(({ record }) => (runs ? record : { ...record, runs: [] })), cursor: next }
  }

  /** Returns the cursor text of a failure. These texts sort in the order of the failures' ends. */
  failurePlace({ finishedAt, id }: OccurrenceRecord): string {
    return placeOf({ scheduledAt: finishedAt ?? 0, id })
  }

  livePage({ state, node, deadlineBefore, cursor }: Extract<OccurrenceQuery, { kind: 'live' }>) {
    return this.allLive()
      .filter((record) => record.state === state)
      .filter(({ owner }) => node === undefined || owner?.node === node)
      .filter(
        ({ deadlineAt }) => deadlineBefore === undefined || (deadlineAt ?? Number.POSITIVE_INFINITY) <= deadlineBefore,
      )
      .filter((record) => cursor === null || placeOf(record) > cursor)
  }
}

function pageOf<T>(items: T[], limit: number, place: (item: T) => string): Page<T> {
  const page = items.slice(0, limit)
  const last = page.at(-1)
  return { items: page, cursor: items.length > limit && last !== undefined ? place(last) : null }
}

/**
 * Returns the cursor text of a record. These texts sort in the order of scheduled time and id, for every instant of
 * `Date`.
 */
function placeOf({ scheduledAt, id }: Pick<OccurrenceRecord, 'scheduledAt' | 'id'>) {
  return `${String(scheduledAt + 8_640_000_000_000_000).padStart(17, '0')} ${id}`
}
