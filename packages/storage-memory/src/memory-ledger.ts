import type { JobId } from '@jobistemer/core'
import type {
  DueQuery,
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  HistoryRemoval,
  HistoryRemover,
  JobQuery,
  JobRecord,
  JobVersionRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Owner,
  Page,
  StorageCapabilities,
  SyncLedger,
  WakeUp,
} from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { claimableAt } from './live-index.ts'
import type { MemoryJob } from './memory-job.ts'
import { bySchedule, type OccurrenceEntry } from './occurrence-entry.ts'
import { get, listJobs, listOccurrences } from './queries.ts'

/** One connection to a database. Each step is one synchronous function, so each step is atomic. */
export class MemoryLedger implements SyncLedger<OccurrenceEntry>, HistoryRemover {
  readonly kind = 'sync'
  readonly opener = 'memoryStorage()'
  readonly keepsObjects = true
  readonly history: HistoryRemover = this
  readonly capabilities: StorageCapabilities = {
    maxBatch: 1000,
    multiProcess: false,
    durability: 'none',
    findsDueJobs: true,
    takesNext: true,
  }
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  transaction<T>(_now: number, step: () => T): T {
    return step()
  }

  read<T>(step: () => T): T {
    return step()
  }

  job(id: JobId): MemoryJob | undefined {
    return this.#database.jobs.get(id)
  }

  createJob(job: JobRecord, version: JobVersionRecord): void {
    this.#database.addJob(job, version)
  }

  hasDue(query: DueQuery): boolean {
    return this.due(query, 1).length > 0
  }

  due({ now, exceptHandlerKeys }: DueQuery, limit: number): { job: MemoryJob; entry: OccurrenceEntry }[] {
    const found: { job: MemoryJob; entry: OccurrenceEntry }[] = []
    for (const entry of this.#database.live.readyAt(now).ascending()) {
      if (found.length >= limit) break
      const { job } = entry
      if (!exceptHandlerKeys.includes(job.head.handlerKey)) found.push({ job, entry })
    }
    return found
  }

  nextDueAt({ now, exceptHandlerKeys }: DueQuery): number | null {
    for (const entry of this.#database.live.futureAfter(now).ascending()) {
      const from = claimableAt(entry)
      if (!Number.isFinite(from)) return null
      if (!exceptHandlerKeys.includes(entry.job.head.handlerKey)) return from
    }
    return null
  }

  cancelRequested({ node, incarnation }: Owner): readonly OccurrenceRecord[] {
    const { cancelRequested } = this.#database.live
    if (cancelRequested.size === 0) return []
    return [...cancelRequested]
      .filter(({ record }) => record.owner?.node === node && record.owner.incarnation === incarnation)
      .sort(bySchedule)
      .map(({ record }) => record)
  }

  stranded(): readonly JobId[] {
    return [...this.#database.live.waitingJobs]
      .filter(
        ({ head, counts }) => head.cancelsBelow !== null || (counts.pending === counts.delayed && counts.running === 0),
      )
      .map(({ id }) => id)
  }

  get(request: GetRequest): GetAnswer {
    return get(this.#database, request)
  }

  listJobs(query: JobQuery): Page<JobRecord> {
    return listJobs(this.#database, query)
  }

  listOccurrences(query: OccurrenceQuery): Page<OccurrenceRecord> {
    return listOccurrences(this.#database, query)
  }

  removeHistory({ jobId, occurrences, floor }: HistoryRemoval): number | null {
    const job = this.#database.jobs.get(jobId)
    if (job === undefined) return null
    const { nextAt, pruneFloor } = job.head
    if (nextAt !== null && nextAt <= floor) return null
    job.head = { ...job.head, pruneFloor: Math.max(pruneFloor ?? floor, floor) }
    let removed = 0
    for (const { id } of occurrences) if (this.#database.removeOccurrence(id)) removed++
    return removed
  }

  forget(jobId: JobId, before: number): void {
    const job = this.#database.jobs.get(jobId)
    if (job === undefined) return
    const { deletedAt, version: current } = job.head
    const hasHistory = job.occurrences !== null && job.occurrences.history.size > 0
    if (deletedAt !== null && deletedAt < before && !hasHistory) {
      this.#database.removeJob(job)
      return
    }
    const used = job.versions.filter(({ record, references }) => references > 0 || record.version === current)
    if (used.length < job.versions.length) job.versions = used
  }

  heartbeat(request: HeartbeatRequest): HeartbeatAnswer {
    return this.#database.nodes.heartbeat(request)
  }

  subscribe(listener: (wakeUp: WakeUp) => void): () => void {
    return this.#database.wakeUps.subscribe(this, listener)
  }

  notify(kinds: ReadonlySet<WakeUp['kind']>): void {
    this.#database.wakeUps.tell(this, kinds)
  }

  close(): void {
    this.#database.wakeUps.unsubscribeAll(this)
  }
}
