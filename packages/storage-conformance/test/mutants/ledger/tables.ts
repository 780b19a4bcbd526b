import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  JobRecord,
  JobVersionRecord,
  LiveCounts,
  OccurrenceRecord,
  OccurrenceState,
} from '@jobistemer/core/storage'
import { compareOrder, isFailure, isFinal, namingKey } from '@jobistemer/core/storage'

/** The data: three tables, an index of live occurrences, and the sums that are kept with each write. */
export class Tables {
  readonly jobs: Map<JobId, JobRecord> = new Map()
  readonly versions: Map<JobId, Map<number, JobVersionRecord>> = new Map()
  readonly occurrences: Map<OccurrenceId, OccurrenceRecord> = new Map()
  /** The same occurrences, by job. */
  readonly histories: Map<JobId, Map<OccurrenceId, OccurrenceRecord>> = new Map()
  /** Only the live ones, by job. */
  readonly live: Map<JobId, Map<OccurrenceId, OccurrenceRecord>> = new Map()

  /** The last occurrence of each `namingKey`. */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()

  /** Only failed occurrences. */
  readonly failed: Map<OccurrenceId, OccurrenceRecord> = new Map()

  /** How many live in each state, of each job and in all. */
  readonly sums: Map<JobId | 'all', LiveCounts> = new Map()

  putHead(head: JobRecord): void {
    this.jobs.set(head.id, head)
  }

  putVersion(version: JobVersionRecord): void {
    tableOf(this.versions, version.jobId).set(version.version, version)
  }

  /** Stores a record in place of the one with its id. Records are never changed, only replaced. */
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

  /** An occurrence went from one state to another; `null`: it was not there, or is there no more. */
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

  /** The live occurrences of a job in these states, in the order in which they would start. */
  liveOf(jobId: JobId, ...states: OccurrenceRecord['state'][]) {
    const records = [...(this.live.get(jobId)?.values() ?? [])]
    return records.filter(({ state }) => states.includes(state)).sort((left, right) => this.compareWaiting(left, right))
  }

  /** The order in which what is queued is woken. */
  compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord): number {
    return compareOrder(left, right)
  }

  /** The order in which what is pending is claimed. */
  comparePending(left: OccurrenceRecord, right: OccurrenceRecord): number {
    return compareOrder(left, right)
  }

  /** All occurrences of a job, oldest first. */
  historyOf(jobId: JobId) {
    return [...(this.histories.get(jobId)?.values() ?? [])].sort(bySchedule)
  }

  /** The live occurrences of all jobs, oldest first. */
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
