import type { JobId } from '../../src/ids.ts'
import type { JobRecord } from '../../src/storage/job-record.ts'
import { shardOf } from '../../src/storage/node-record.ts'
import { isFinal, type LiveState, type OccurrenceRecord, type Owner } from '../../src/storage/occurrence-record.ts'
import type {
  DueJobs,
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobQuery,
  OccurrenceQuery,
  Page,
  StorageCapabilities,
} from '../../src/storage/storage.ts'
import { claimableFrom, compareOrder, namingKey } from '../../src/storage/rules.ts'
import {
  countRecord,
  type JobCounts,
  type LedgerEntry,
  type RunningCounts,
} from '../../src/storage/ledger/job-ledger.ts'
import type {
  AsyncLedger,
  DuePage,
  DueQuery,
  HistoryRemoval,
  HistoryRemover,
  JobWrite,
  LedgerStep,
} from '../../src/storage/ledger/ledger.ts'
import { pageOf, pageOfJobs, pageOfOccurrences } from '../../src/storage/ledger/record-queries.ts'
import { type RecordChange, type Records, versionKey } from './records.ts'
import { compareAddresses } from '../../src/storage/ledger/step-context.ts'

/** Options of {@link RecordLedger}. */
export interface RecordLedgerOptions {
  /** The call with which a user opens this storage, as messages name it: `journalStorage()`. */
  readonly opener: string
  /** The properties of the storage that tune the engine, as in `Storage`. */
  readonly capabilities: StorageCapabilities
  /** The records in memory, which all connections to the same data share. */
  readonly records: Records
  /**
   * Makes the changes of one step durable before it returns. If `commit` throws, the ledger discards the step. `commit` must be
   * synchronous: if it returns a promise, the call rejects with `STORAGE_FAILED`.
   */
  commit(changes: readonly RecordChange[]): void
  /** Called once, when this connection is closed. */
  close(): void
}

/**
 * A ledger for little data, such as a journal, a file or a browser's storage. The ledger holds all records in memory, and scans
 * them for queries. An adapter only makes the changes durable.
 */
export class RecordLedger implements AsyncLedger, HistoryRemover {
  readonly kind = 'async'
  readonly unit = 'call'
  readonly keepsObjects = true
  readonly opener: string
  readonly capabilities: StorageCapabilities
  readonly history: HistoryRemover = this
  readonly close: () => void
  readonly #records: Records
  readonly #commit: (changes: readonly RecordChange[]) => void

  constructor(options: RecordLedgerOptions) {
    this.opener = options.opener
    this.capabilities = options.capabilities
    this.close = () => options.close()
    this.#records = options.records
    this.#commit = (changes) => options.commit(changes)
  }

  async run(step: LedgerStep): Promise<void> {
    const { jobs, occurrences, live } = this.#records
    const keys = new Map(
      step.keys.flatMap(({ keyId }) => {
        const id = this.#records.keys.get(keyId)
        return id === undefined ? [] : [[keyId, id] as const]
      }),
    )
    const named = [...step.occurrences.map(({ id }) => id), ...keys.values()]
    const records = named.flatMap((id) => occurrences.get(id) ?? [])
    const heads = step.jobs.flatMap((id) => jobs.get(id) ?? [])
    // This ledger passes all live occurrences of the jobs to `decide`, so it does not call `needs`.
    const writes = step.decide({
      jobs: new Map(heads.map((job) => [job.id, { head: job, job, counts: countLive(live.values(), job.id) }])),
      occurrences: new Map(records.map((record) => [record.id, { record }])),
      keys,
      live: new Map(step.jobs.map((id) => [id, this.#live(id)])),
    })
    this.#write(writes.flatMap(changesOf))
  }

  #live(id: JobId): Record<LiveState, LedgerEntry[]> {
    const live: Record<LiveState, LedgerEntry[]> = { pending: [], queued: [], running: [] }
    for (const record of this.#records.live.values()) {
      if (record.jobId === id) live[record.state as LiveState].push({ record })
    }
    return live
  }

  #write(changes: readonly RecordChange[]): void {
    if (changes.length === 0) return
    this.#commit(changes)
    for (const change of changes) this.#records.apply(change)
  }

  /** Returns all due occurrences as one page. */
  async due(query: DueQuery): Promise<DuePage> {
    const due = this.#pending(query).filter(({ from }) => from <= query.now)
    return { occurrences: due.map(({ record }) => record), cursor: null }
  }

  async nextDueAt(query: DueQuery): Promise<number | null> {
    const instants = this.#pending(query).map(({ from }) => from)
    const next = Math.min(...instants.filter((from) => from > query.now))
    return Number.isFinite(next) ? next : null
  }

  /**
   * Returns the pending occurrences of jobs that the node can run. `from` is the first instant at which a claim may take the
   * occurrence.
   */
  #pending({ exceptHandlerKeys }: DueQuery): { readonly record: OccurrenceRecord; readonly from: number }[] {
    const pending = sorted(this.#records.live, ({ state }) => state === 'pending', compareOrder)
    return pending.flatMap((record) => {
      const job = this.#records.jobs.get(record.jobId)
      const isLeft = job === undefined || exceptHandlerKeys.includes(job.handlerKey)
      return isLeft ? [] : [{ record, from: claimableFrom(job, record.dueAt) }]
    })
  }

  async cancelRequested({ node, incarnation }: Owner): Promise<readonly OccurrenceRecord[]> {
    const isAsked = ({ state, cancelRequest, owner }: OccurrenceRecord) => {
      const isOwn = owner?.node === node && owner.incarnation === incarnation
      return state === 'running' && cancelRequest !== null && isOwn
    }
    return sorted(this.#records.live, isAsked, compareAddresses)
  }

  async stranded(): Promise<readonly JobId[]> {
    const jobs = [...this.#records.jobs.values()].filter(({ id, cancelsBelow }) => {
      const { pending, delayed, queued, running } = countLive(this.#records.live.values(), id)
      return queued > 0 && ((pending === delayed && running === 0) || cancelsBelow !== null)
    })
    return jobs.map(({ id }) => id)
  }

  get({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }: GetRequest): GetAnswer {
    const records = this.#records
    return {
      jobs: jobs.map((id) => records.jobs.get(id) ?? null),
      versions: versions.map((version) => records.versions.get(versionKey(version)) ?? null),
      occurrences: occurrences.map((id) => records.occurrences.get(id) ?? null),
      counts: counts.map((id) => {
        const { delayed: _, ...live } = countLive(records.live.values(), id)
        return live
      }),
      latest: latest.length === 0 ? [] : latestOf(records.occurrences.values(), latest),
    }
  }

  listJobs(query: JobQuery): Page<JobRecord> {
    const jobs = this.#records.jobs.values()
    return query.due === undefined ? pageOfJobs(jobs, query) : pageOfDueJobs(jobs, query, query.due)
  }

  listOccurrences(query: OccurrenceQuery): Page<OccurrenceRecord> {
    const { live, failed, occurrences } = this.#records
    return pageOfOccurrences({ live, failed, job: occurrences }[query.kind].values(), query)
  }

  heartbeat(request: HeartbeatRequest): HeartbeatAnswer {
    return this.#records.nodes.heartbeat(request)
  }

  removeHistory({ jobId, occurrences, keys, floor }: HistoryRemoval): number | null {
    const job = this.#records.jobs.get(jobId)
    if (job === undefined || (job.nextAt !== null && job.nextAt <= floor)) return null
    const there = occurrences.filter(({ id }) => this.#records.occurrences.has(id))
    const value = { ...job, pruneFloor: Math.max(job.pruneFloor ?? floor, floor) }
    const freed = keys.filter(({ keyId, occurrence }) => this.#records.keys.get(keyId) === occurrence.id)
    this.#write([
      { table: 'jobs', key: jobId, value },
      ...there.map(({ id }) => ({ table: 'occurrences', key: id, value: null }) as const),
      ...freed.map(({ keyId }) => ({ table: 'keys', key: keyId, value: null }) as const),
    ])
    return there.length
  }

  forget(jobId: JobId, before: number): void {
    const { jobs, versions, occurrences } = this.#records
    const job = jobs.get(jobId)
    const history = [...occurrences.values()].filter((record) => record.jobId === jobId)
    const isOver = history.length === 0 && job?.deletedAt != null && job.deletedAt < before
    const used = new Set(history.map(({ jobVersion }) => jobVersion))
    if (job !== undefined && !isOver) used.add(job.version)
    const unused = [...versions].filter(([, record]) => record.jobId === jobId && !used.has(record.version))
    this.#write([
      ...unused.map(([key]) => ({ table: 'versions', key, value: null }) as const),
      ...(isOver ? [{ table: 'jobs', key: jobId, value: null } as const] : []),
    ])
  }
}

/** Converts the writes of a step on one job to changes of records. */
function changesOf({ before, after: { job }, versions, occurrences }: JobWrite): readonly RecordChange[] {
  const records = occurrences.map(({ after }) => after)
  const created = occurrences.flatMap((write) => (write.before === null ? write.after : []))
  return [
    ...records.map((value) => ({ table: 'occurrences', key: value.id, value }) as const),
    ...created.flatMap((value): readonly RecordChange[] => {
      const key = namingKey(value)
      return key === undefined ? [] : [{ table: 'keys', key, value: value.id }]
    }),
    ...(job === null || job === before?.job ? [] : [{ table: 'jobs', key: job.id, value: job } as const]),
    ...versions.map((value) => ({ table: 'versions', key: versionKey(value), value }) as const),
  ]
}

function sorted(
  records: ReadonlyMap<unknown, OccurrenceRecord>,
  wanted: (record: OccurrenceRecord) => boolean,
  compare: (left: OccurrenceRecord, right: OccurrenceRecord) => number,
): OccurrenceRecord[] {
  return [...records.values()].filter(wanted).sort(compare)
}

/** Counts the live occurrences of a job, or of all jobs. */
export function countLive(live: Iterable<OccurrenceRecord>, job: JobId | 'all'): JobCounts {
  const counts: RunningCounts = { pending: 0, delayed: 0, queued: 0, running: 0 }
  for (const record of live) if (job === 'all' || job === record.jobId) countRecord(counts, record, 1)
  return counts
}

/** Returns each job's latest finished run among the given occurrences. */
function latestOf(
  occurrences: Iterable<OccurrenceRecord>,
  jobs: readonly JobId[],
): readonly (OccurrenceRecord | null)[] {
  const found = new Map<JobId, OccurrenceRecord>()
  const wanted = new Set(jobs)
  for (const record of occurrences) {
    if (!wanted.has(record.jobId) || !isFinal(record.state) || record.token === 0) continue
    const before = found.get(record.jobId)
    if (before === undefined || compareAddresses(before, record) < 0) found.set(record.jobId, record)
  }
  return jobs.map((id) => found.get(id) ?? null)
}

function pageOfDueJobs(jobs: Iterable<JobRecord>, { cursor, limit }: JobQuery, due: DueJobs): Page<JobRecord> {
  const { after = Number.NEGATIVE_INFINITY, upTo, shards } = due
  const placed = [...jobs].map((job) => ({ id: job.id, scheduledAt: job.nextAt ?? Number.POSITIVE_INFINITY, job }))
  const [at, lastId] = cursor?.split(' ') ?? []
  const last = lastId === undefined ? undefined : { scheduledAt: Number(at), id: lastId }
  const left = placed
    .filter(({ job, scheduledAt }) => job.deletedAt === null && scheduledAt > after && scheduledAt <= upTo)
    .filter((place) => shards?.includes(shardOf(place.id)) !== false)
    .filter((place) => last === undefined || compareAddresses(place, last) > 0)
    .sort(compareAddresses)
  const page = pageOf(left, limit, ({ scheduledAt, id }) => `${scheduledAt} ${id}`)
  return { items: page.items.map(({ job }) => job), cursor: page.cursor }
}
