import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  JobRecord,
  JobVersionRecord,
  LiveCounts,
  OccurrenceRecord,
  OccurrenceState,
} from '@jobistemer/core/storage'
import { compareOrder, isFailure, isFinal, namingKey } from '@jobistemer/core/storage'

/** The data of the state machine: three tables, an index of live occurrences, and counts that each write updates. */
export class Tables {
  readonly jobs: Map<JobId, JobRecord> = new Map()
  readonly versions: Map<JobId, Map<number, JobVersionRecord>> = new Map()
  readonly occurrences: Map<OccurrenceId, OccurrenceRecord> = new Map()
  /** All occurrences, by job. */
  readonly histories: Map<JobId, Map<OccurrenceId, OccurrenceRecord>> = new Map()
  /** Only live occurrences, by job. */
  readonly live: Map<JobId, Map<OccurrenceId, OccurrenceRecord>> = new Map()

  /** Maps the id of each reusable key to the id of the last occurrence that was requested with this key. See `namingKey`. */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()

  /** Only failed occurrences. */
  readonly failed: Map<OccurrenceId, OccurrenceRecord> = new Map()

  /** Number of live occurrences in each state, of each job and of all jobs. */
  readonly sums: Map<JobId | 'all', LiveCounts> = new Map()

  putHead(head: JobRecord): void {
    this.jobs.set(head.id, head)
  }

  putVersion(version: JobVersionRecord): void {
    tableOf(this.versions, version.jobId).set(version.version, version)
  }

  /** Stores a record, and replaces the record with the same id. Stored records are never modified. */
  put(record: OccurrenceRecord): void {
    this.count(record.jobId, this.occurrences.get(record.id)?.state ?? null, record.state)
    this.occurrences.set(record.id, record)
    tableOf(this.histories, record.jobId).set(record.id, record)
    if (isFinal(record.state)) this.live.get(record.jobId)?.delete(record.id)
    else tableOf(this.live, record.jobId).set(record.id, record)
    if (this.isFailure(record)) this.failed.set(record.id, record)
  }

  isFailure({ state }: OccurrenceRecord): boolean {
    return isFailure(state)
  }

  remove(record: OccurrenceRecord): void {
    this.freeKey(record)
    this.count(record.jobId, this.occurrences.get(record.id)?.state ?? null, null)
    this.occurrences.delete(record.id)
    this.histories.get(record.jobId)?.delete(record.id)
    this.live.get(record.jobId)?.delete(record.id)
    this.failed.delete(record.id)
  }

  freeKey({ id, details: { keyId } }: OccurrenceRecord): void {
    if (keyId !== undefined && this.keys.get(keyId) === id) this.keys.delete(keyId)
  }

  nameByKey(record: OccurrenceRecord): void {
    const keyId = namingKey(record)
    if (keyId !== undefined) this.keys.set(keyId, record.id)
  }

  removeJob(jobId: JobId): void {
    this.sums.delete(jobId)
    this.jobs.delete(jobId)
    this.versions.delete(jobId)
    this.histories.delete(jobId)
    this.live.delete(jobId)
  }

  /**
   * Updates the counts after a state change of an occurrence. `before` is `null` for a new occurrence, and `after` is `null`
   * for a removed one.
   */
  count(jobId: JobId, before: OccurrenceState | null, after: OccurrenceState | null): void {
    for (const id of [jobId, 'all'] as const) {
      const sums = { ...this.countsOf(id) }
      if (before !== null && before in sums) sums[before as keyof LiveCounts] -= 1
      if (after !== null && after in sums) sums[after as keyof LiveCounts] += 1
      this.sums.set(id, sums)
    }
  }

  countsOf(id: JobId | 'all'): LiveCounts {
    return this.sums.get(id) ?? { pending: 0, queued: 0, running: 0 }
  }

  /** Returns the live occurrences of a job in these states, in the order of waiting occurrences. */
  liveOf(jobId: JobId, ...states: OccurrenceRecord['state'][]) {
    const records = [...(this.live.get(jobId)?.values() ?? [])]
    return records.filter(({ state }) => states.includes(state)).sort((left, right) => this.compareWaiting(left, right))
  }

  /** Compares two queued occurrences in the order in which they are woken. */
  compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord): number {
    return compareOrder(left, right)
  }

  /** Compares two pending occurrences in the order in which they are claimed. */
  comparePending(left: OccurrenceRecord, right: OccurrenceRecord): number {
    return compareOrder(left, right)
  }

  /** Returns all occurrences of a job, oldest first. */
  historyOf(jobId: JobId) {
    return [...(this.histories.get(jobId)?.values() ?? [])].sort(bySchedule)
  }

  /** Returns the live occurrences of all jobs, oldest first. */
  allLive() {
    return [...this.live.values()].flatMap((records) => [...records.values()]).sort(bySchedule)
  }
}

export function bySchedule(
  left: Pick<OccurrenceRecord, 'scheduledAt' | 'id'>,
  right: Pick<OccurrenceRecord, 'scheduledAt' | 'id'>,
) {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}

function tableOf<K, I, V>(tables: Map<K, Map<I, V>>, key: K): Map<I, V> {
  let table = tables.get(key)
  if (table === undefined) {
    table = new Map()
    tables.set(key, table)
  }
  return table
}
