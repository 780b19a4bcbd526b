import { type JobId, systemClock } from '@jobistemer/core'
import {
  afterThisTurn,
  type DueJobs,
  type HistoryRemoval,
  type HistoryRemover,
  type JobQuery,
  type JobRecord,
  type LiveCounts,
  type OccurrenceRecord,
  type Page,
  type Storage,
  storageFromLedger,
  type SyncLedger,
} from '@jobistemer/core/storage'
import { Checkpoints } from './checkpoints.ts'
import { Connection } from './connection.ts'
import { NodeTable } from './node-table.ts'
import { hasRun, keyOf, OccurrenceQueries, type OccurrenceRow } from './occurrence-row.ts'
import { openDatabase, type OpenedDatabase, SchemaWatch } from './open-database.ts'
import { type ReadOptions, readOptions, type SqliteStorageOptions } from './options.ts'
import { listDueJobs, listJobs } from './query-jobs.ts'
import { namedTables } from './schema.ts'
import { storageError } from './sqlite-errors.ts'
import type { SqliteJob, StoredOccurrence, Tables } from './tables.ts'
import { readTransaction, TableSteps, TransactionLedger } from './transaction-ledger.ts'

/**
 * Removes finished occurrences of a job and raises its prune floor. Returns the number of removed occurrences; `null`
 * if the job is not stored or its next instant is not after the new floor. Must be called within a write step.
 */
function removeHistory(tables: Tables, { jobId, occurrences, keys, floor }: HistoryRemoval): number | null {
  const { jobs, history, reusableKeys } = tables
  const head = jobs.headOf(jobId)
  if (head === undefined || (head.nextAt !== null && head.nextAt <= floor)) return null
  jobs.raisePruneFloor(head.row, floor)
  for (const { keyId, occurrence } of keys) reusableKeys.free(keyId, keyOf(occurrence.id))
  return history.remove(head.row, occurrences)
}

/**
 * Removes the job if it was deleted before `before` and has no occurrences. Otherwise removes only the job's versions
 * that no occurrence uses. Must be called within a write step.
 */
function forget({ jobs, live, history }: Tables, jobId: JobId, before: number): void {
  const row = jobs.headOf(jobId)?.row
  if (row === undefined) return
  history.indexTail()
  if (jobs.isTombstone(row, before) && !live.has(row) && !history.has(row)) jobs.remove(row)
  else jobs.removeUnusedVersions(row)
}

/** Maximum number of due occurrences that a transaction moves to the lane `ready` (see `lanes`). */
const promotedAtOnce = 2000

/**
 * Number of a job's latest history entries among which a call searches for the job's latest run. Without this limit,
 * the search could read a million slots that a paused job has skipped.
 */
const latestLimit = 1000

const noCounts: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

type Ledger = SyncLedger<StoredOccurrence>

/** Implements core's ledger on one connection to a file. */
class SqliteLedger extends TableSteps implements Ledger, HistoryRemover {
  readonly kind = 'sync'
  readonly opener = 'sqliteStorage()'
  readonly keepsObjects = false
  readonly capabilities: Ledger['capabilities']
  readonly history: HistoryRemover = this
  readonly #opened: OpenedDatabase
  /** For each connection of a user: the ledger for the user's transactions on this connection. */
  readonly #within = new WeakMap<object, TransactionLedger>()
  readonly #connection: Connection
  readonly #queries: OccurrenceQueries
  readonly #nodes: NodeTable
  /** Whether a claim has found more due occurrences in the lane `delayed` (see `lanes`) than one transaction may change. */
  #isMuchDue = false

  constructor(opened: OpenedDatabase, options: ReadOptions) {
    const named = namedTables(opened.database, opened.prefix)
    super(named)
    const { tables } = this
    this.#opened = opened
    this.#queries = new OccurrenceQueries(tables)
    this.#nodes = new NodeTable(named)
    const schema = new SchemaWatch(opened.database, opened.file, opened.prefix)
    const checkpoints = new Checkpoints(opened.database)
    this.#connection = new Connection(opened, options.busyTimeoutMs, {
      onStart(writes) {
        if (writes) schema.assertKnown()
        tables.startStep()
      },
      onEnd() {
        tables.due.endStep()
        checkpoints.beforeCommit(tables.jobs.added)
      },
      onRollback: () => tables.forget(),
    })
    const isInMemory = opened.database.memory
    const durability = isInMemory ? 'none' : options.synchronous === 'full' ? 'power' : 'process'
    this.capabilities = { maxBatch: 500, multiProcess: !isInMemory, durability, findsDueJobs: true, takesNext: true }
  }

  within(transaction: unknown): TransactionLedger {
    const { file, prefix, watch } = this.#opened
    try {
      watch?.assertSame()
      const database = readTransaction(transaction, this.#opened)
      const ledger = this.#within.get(database) ?? new TransactionLedger(database, file, prefix)
      this.#within.set(database, ledger)
      return ledger
    } catch (error) {
      throw storageError(error, file)
    }
  }

  transaction<T>(now: number, step: () => T): Promise<T> {
    return this.#isMuchDue ? this.#promoteMost(now).then(() => this.#step(now, step)) : this.#step(now, step)
  }

  #step<T>(now: number, step: () => T): Promise<T> {
    return this.#connection.write(() => {
      this.now = now
      return step()
    })
  }

  /**
   * Moves all due occurrences to the lane `ready` (see `lanes`). A claim searches only this lane. Without this move,
   * the claim could miss due occurrences that come first in the order. Uses several transactions, so that other steps
   * run between them.
   */
  async #promoteMost(now: number): Promise<void> {
    this.#isMuchDue = false
    const { live } = this.tables
    while ((await this.#connection.write(() => live.promoteSome(now, promotedAtOnce))) === promotedAtOnce) {
      await new Promise<void>((resolve) => systemClock.setTimer(0, resolve))
    }
  }

  read<T>(step: () => T): Promise<T> {
    return this.#connection.read(step)
  }

  readonly createJob: Ledger['createJob'] = (job, version) => this.tables.jobs.insert(job, version)
  readonly hasDue: Ledger['hasDue'] = ({ now, exceptHandlerKeys }) => {
    const { live } = this.tables
    const delayed = live.countDelayedDue(now, promotedAtOnce)
    if (delayed === promotedAtOnce) this.#isMuchDue = true
    return delayed > 0 || live.ready(now, this.#handlersOf(exceptHandlerKeys), 1).length > 0
  }

  readonly due: Ledger['due'] = ({ now, exceptHandlerKeys }, limit) => {
    const { live } = this.tables
    live.promote(now)
    const jobs = new Map<JobId, SqliteJob>()
    return live.ready(now, this.#handlersOf(exceptHandlerKeys), limit).map((row) => {
      const entry = this.tables.stored(row)
      const { jobId } = entry.record
      const job = jobs.get(jobId) ?? (this.job(jobId) as SqliteJob)
      jobs.set(jobId, job)
      return { job, entry }
    })
  }

  readonly nextDueAt: Ledger['nextDueAt'] = ({ now, exceptHandlerKeys }) =>
    this.tables.live.nextDueAt(now, this.#handlersOf(exceptHandlerKeys))

  /**
   * Returns the row numbers of the handler keys whose jobs a search leaves out. Omits a key without a row number,
   * because no job has this key.
   */
  #handlersOf(keys: readonly string[]): readonly number[] {
    return keys.flatMap((key) => this.tables.names.findHandler(key) ?? [])
  }

  readonly cancelRequested: Ledger['cancelRequested'] = (owner) => {
    const row = this.tables.names.findOwner(owner)
    return row === undefined ? [] : this.tables.live.cancelRequestedOf(row).map((found) => this.tables.read(found))
  }

  readonly stranded: Ledger['stranded'] = () => this.tables.jobs.stranded()

  readonly get: Ledger['get'] = ({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }) => {
    const tables = this.tables
    return this.#connection.read(() => ({
      jobs: jobs.map((id) => tables.jobs.find(id) ?? null),
      versions: versions.map(({ jobId, version }) => tables.jobs.readVersion(jobId, version) ?? null),
      occurrences: occurrences.map((id) => tables.findById(id)?.record ?? null),
      counts: counts.map((id) => (id === 'all' ? tables.live.counts() : this.#countsOf(id))),
      latest: latest.map((id) => this.#latestOf(id)),
    }))
  }

  #countsOf(id: JobId): LiveCounts {
    const { jobs, live } = this.tables
    const head = jobs.headOf(id)
    if (head === undefined) return noCounts
    const { pending, queued } = head.waiting
    return { pending, queued, running: live.countRunning(head.row, Number.POSITIVE_INFINITY) }
  }

  /** Returns the latest ended run of a job. Usually this is the last entry of the job's history. */
  #latestOf(id: JobId): OccurrenceRecord | null {
    const { jobs, history } = this.tables
    const job = jobs.headOf(id)?.row
    if (job === undefined) return null
    const all = { job, from: -9e15, to: 9e15, after: null, order: 'descending' } as const
    for (const limit of [1, latestLimit]) {
      for (const entry of history.walk({ ...all, limit })) {
        const row = history.rowAt(entry.row, false) as OccurrenceRow
        if (hasRun(row)) return this.tables.read(row, false)
      }
    }
    return null
  }

  readonly listJobs: Ledger['listJobs'] = (query) => {
    return query.due === undefined
      ? this.#connection.read(() => listJobs(this.tables.jobs, query))
      : this.#listDueJobs(query, query.due)
  }

  async #listDueJobs(query: JobQuery, wanted: DueJobs): Promise<Page<JobRecord>> {
    const { jobs, due } = this.tables
    let page = await this.#connection.read(() => (due.isBehind ? null : listDueJobs(jobs, query, wanted)))
    while (page === null) {
      page = await this.#connection.write(() => {
        if (due.isBehind) due.catchUp()
        return due.isBehind ? null : listDueJobs(jobs, query, wanted)
      })
    }
    return page
  }

  readonly listOccurrences: Ledger['listOccurrences'] = (query) =>
    this.#connection.read(() => this.#queries.list(query))

  readonly removeHistory: HistoryRemover['removeHistory'] = (removal) =>
    this.#connection.write(() => removeHistory(this.tables, removal))

  readonly forget: HistoryRemover['forget'] = async (jobId, before) => {
    await this.#connection.write(() => forget(this.tables, jobId, before))
    // A prune of all jobs calls `forget` for each job. Between two jobs, this code lets other code of the event loop
    // run.
    await new Promise<void>((resolve) => afterThisTurn(resolve))
  }

  readonly heartbeat: Ledger['heartbeat'] = (request) => {
    const step = () => this.#nodes.heartbeat(request)
    const onlyReads = request.own === null && request.remove.length === 0
    return onlyReads ? this.#connection.read(step) : this.#connection.write(step)
  }

  readonly close: Ledger['close'] = () => this.#connection.close()
}

/**
 * Storage in a SQLite file, which several processes of one machine may use at once.
 *
 * ```ts
 * const storage = sqliteStorage({ file: 'jobs.db' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_UNREADABLE`,
 *   `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`, `STORAGE_BUSY`, `STORAGE_FAILED` if the file cannot
 *   be used; the file is then unchanged. Calls reject with `STORAGE_REPLACED` after the file was deleted or replaced.
 */
export function sqliteStorage(options: SqliteStorageOptions): Storage {
  const read = readOptions(options)
  const opened = openDatabase(read)
  try {
    return storageFromLedger(new SqliteLedger(opened, read))
  } catch (error) {
    // A statement cannot be prepared, for example because a table was deleted.
    if (opened.isOwn) opened.database.close()
    throw storageError(error, opened.file)
  }
}
