import {
  codec1,
  isFailure,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type OccurrenceState,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { Names } from './names.ts'
import {
  compareEntries,
  compareKeys,
  keyOf,
  occurrenceColumns,
  type OccurrenceKey,
  type OccurrenceRow,
  type Place,
  printCancelRequest,
} from './occurrence-row.ts'
import { blockShift, type NamedTables, tailLimit } from './schema.ts'

/**
 * A position in the index of failures: the end and the key of a failure, by which the index is sorted. A page of the
 * list of failures begins after such a position.
 */
interface FailurePlace {
  readonly endedAt: number
  readonly key: OccurrenceKey
}

type FailedQuery = Extract<OccurrenceQuery, { readonly kind: 'failed' }>

/**
 * The index of the failures in the history, as a separate table. Most ends are no failures. Partial indexes over the
 * history would nevertheless slow down every end: an eighth fewer runs could end per second.
 */
class Failures {
  readonly #statements: Record<'ofAll' | 'ofJob', Record<FailedQuery['order'], Database.Statement>>

  readonly #add: Database.Statement
  readonly #remove: Database.Statement

  constructor(database: NamedTables) {
    this.#add = database.prepare(
      'INSERT INTO {failures} SELECT row, job, scheduled_at + created_in + finished_in, id FROM {history} WHERE row = ?',
    )
    this.#remove = database.prepare('DELETE FROM {failures} WHERE row = ?')
    const prepare = (index: string, isOfJob: string, comparison: '<' | '>', direction: 'ASC' | 'DESC') =>
      database.pluck(
        `SELECT row FROM {failures} INDEXED BY {${index}}
             WHERE ${isOfJob} AND ended_at >= $from AND ended_at < $to AND (ended_at, id) ${comparison} ($at, $key)
             ORDER BY ended_at ${direction}, id ${direction} LIMIT $limit`,
      )
    const inBothOrders = (index: string, isOfJob: string) => ({
      ascending: prepare(index, isOfJob, '>', 'ASC'),
      descending: prepare(index, isOfJob, '<', 'DESC'),
    })
    this.#statements = {
      ofAll: inBothOrders('failures_ended', '$job IS NULL'),
      ofJob: inBothOrders('failures_of_job', 'job = $job'),
    }
  }

  /** Adds a history row to the index of failures. The row must be a failure. */
  add(row: number): void {
    this.#add.run(row)
  }

  /** Removes a deleted history row from the index of failures. Does nothing if the row was no failure. */
  remove(row: number): void {
    this.#remove.run(row)
  }

  /**
   * Returns the row numbers of failures in the order of their end. Returns at most one more than the limit of the
   * query: the additional one shows that a further page follows. `job`: `null` for all jobs.
   */
  list(query: FailedQuery, job: number | null, after: FailurePlace | null): readonly number[] {
    const { order, limit } = query
    const rising = order === 'ascending'
    // The last failure of the previous page bounds the range, so that SQLite does not read earlier pages.
    const from = Math.max(query.from ?? -9e15, rising && after !== null ? after.endedAt : -9e15)
    const to = Math.min(query.to ?? 9e15, !rising && after !== null ? after.endedAt + 1 : 9e15)
    const { endedAt: at, key } = after ?? { endedAt: rising ? -9e15 : 9e15, key: '' }
    const statement = this.#statements[job === null ? 'ofAll' : 'ofJob'][order]
    return statement.all({ job, from, to, at, key, limit: limit + 1 }) as number[]
  }
}

const { kindCode, printDetails, printRuns, stateCodes } = codec1

/**
 * An entry of a job's history: the scheduled time and key by which entries are sorted, and the number of the history
 * row.
 */
interface HistoryEntry {
  readonly scheduledAt: number
  readonly key: OccurrenceKey
  readonly row: number
}

/** A block of history rows, with the range of their scheduled times. */
interface Block {
  readonly block: number
  readonly min_at: number
  readonly max_at: number
}

export interface HistoryRange {
  readonly job: number
  /** Least `scheduledAt`, inclusive. */
  readonly from: number
  /** Greatest `scheduledAt`, exclusive. */
  readonly to: number
  /** Only entries that follow this entry in the given order are returned; `null` for all entries of the range. */
  readonly after: { readonly scheduledAt: number; readonly key: OccurrenceKey } | null
  readonly order: 'ascending' | 'descending'
  readonly limit: number
}

/**
 * The finished occurrences of all jobs: a table to which each occurrence is appended once, when it ends.
 *
 * Most ends do not change the indexes, so the cost of an end does not grow with the history. From time to time, many
 * rows are added to the indexes together. The rows that are not indexed yet are the tail. Each search also reads the
 * tail.
 */
export class History {
  readonly failures: Failures
  readonly #statements: ReturnType<typeof prepareStatements>
  /** The last indexed row that this connection knows. Other connections may have indexed later rows. */
  #indexed = 0

  constructor(database: NamedTables) {
    this.failures = new Failures(database)
    this.#statements = prepareStatements(database)
  }

  forget(): void {
    this.#indexed = 0
  }

  /** Appends a finished occurrence. */
  append(job: number, record: OccurrenceRecord, key: OccurrenceKey, names: Names): void {
    const { scheduledAt, createdAt, startedAt } = record
    const { lastInsertRowid } = this.#statements.append.run(
      job,
      scheduledAt,
      key,
      stateCodes[record.state],
      kindCode(record.kind, record.recovered),
      record.token,
      record.sequence,
      record.rescues,
      record.owner === null ? null : names.ownerRow(record.owner),
      record.jobVersion,
      record.dueAt - scheduledAt,
      createdAt - scheduledAt,
      startedAt === null ? null : startedAt - createdAt,
      (record.finishedAt as number) - createdAt,
      record.executionTimeoutMs,
      record.reason,
      printCancelRequest(record.cancelRequest),
      printDetails(record.details),
      printRuns(record.runs, scheduledAt),
    )
    this.appended(Number(lastInsertRowid), record.state)
  }

  /**
   * Adds the appended row to the index of failures if the occurrence failed, and extends the other indexes when enough
   * rows wait. Must be called for each appended row.
   */
  appended(lastRow: number, state: OccurrenceState): void {
    if (isFailure(state)) this.failures.add(lastRow)
    this.#extendIndexes(lastRow)
  }

  #extendIndexes(lastRow: number): void {
    // SQLite gives the numbers of removed last rows to new rows. So if the row number is less than `#indexed`, another
    // process has removed rows up to the end. In this case `#indexed` is outdated, and must be read again.
    if (lastRow >= this.#indexed && lastRow - this.#indexed < tailLimit) return
    this.#indexed = this.#statements.indexed.get() as number
    if (lastRow - this.#indexed >= tailLimit) this.indexTail()
  }

  /** Adds all rows that are not indexed yet to the indexes. */
  indexTail(): void {
    const first = this.#statements.indexed.get() as number
    const last = (this.#statements.lastRow.get() as number | null) ?? 0
    if (last > first) {
      this.#statements.indexTimes.run(first, last)
      this.#statements.indexIds.run(first, last)
      this.#statements.noteBlocks.run(first, last)
      this.#statements.setIndexed.run(last)
    }
    this.#indexed = last
  }

  findById(key: OccurrenceKey): OccurrenceRow | undefined {
    const rows = this.#statements.rowsWithPrefix.all(prefixOf(key)) as number[]
    for (const row of rows) {
      const found = this.rowAt(row)
      if (found !== undefined && compareKeys(found[3], key) === 0) return found
    }
    const row = this.#statements.findInTail.get(key) as number | undefined
    return row === undefined ? undefined : this.rowAt(row)
  }

  find(job: number, scheduledAt: number, key: OccurrenceKey): OccurrenceRow | undefined {
    const row = (this.#statements.findPlaceInTail.get(job, scheduledAt, key) ??
      this.#statements.findPlace.get(scheduledAt, scheduledAt, job, scheduledAt, key)) as number | undefined
    return row === undefined ? undefined : this.rowAt(row)
  }

  /** Returns a row. Without `withRuns`, does not read its task runs: their results may have hundreds of kilobytes. */
  rowAt(row: number, withRuns = true): OccurrenceRow | undefined {
    const statement = withRuns ? this.#statements.read : this.#statements.readWithoutRuns
    return statement.get(row) as OccurrenceRow | undefined
  }

  /** Returns a job's history entries in the range, ordered by `scheduledAt` and key, up to the limit. */
  walk(range: HistoryRange): readonly HistoryEntry[] {
    const { job, after, order, limit } = range
    const rising = order === 'ascending'
    const sign = rising ? 1 : -1
    // The last entry of the previous page bounds the range, so that SQLite does not read earlier pages.
    const from = rising && after !== null ? Math.max(range.from, after.scheduledAt) : range.from
    const to = !rising && after !== null ? Math.min(range.to, after.scheduledAt + 1) : range.to
    const place = after ?? { scheduledAt: rising ? -9e15 : 9e15, key: '' }
    const compare = (left: Place, right: Place) => sign * compareEntries(left, right)
    const inTail = this.#statements.tailOfJob.all(job, from, to) as HistoryEntry[]
    let entries = inTail
      .filter((entry) => after === null || compare(entry, place) > 0)
      .sort(compare)
      .slice(0, limit)
    const blocks = rising ? this.#statements.blocksRising : this.#statements.blocksFalling
    const statement = rising ? this.#statements.riseInBlock : this.#statements.fallInBlock
    for (const block of blocks.all(from, to) as Block[]) {
      // Blocks are sorted by their first instant in the given order. If this block begins after the last entry of a
      // full page, all later blocks also begin after this entry. So the loop ends.
      const last = entries.length < limit ? undefined : entries[limit - 1]
      if (last !== undefined && (rising ? block.min_at > last.scheduledAt : block.max_at < last.scheduledAt)) break
      const found = statement.all(block.block, job, from, to, place.scheduledAt, place.key, limit) as HistoryEntry[]
      if (found.length > 0) entries = [...entries, ...found].sort(compare).slice(0, limit)
    }
    return entries
  }

  /** Whether the history has occurrences of the job. */
  has(job: number): boolean {
    return this.#statements.hasInTail.get(job) !== undefined || this.#statements.has.get(job) !== undefined
  }

  /** Removes entries of a job, and returns how many existed. Must be called within a write step. */
  remove(job: number, occurrences: readonly Pick<OccurrenceRecord, 'id' | 'scheduledAt'>[]): number {
    this.indexTail()
    const blocks: number[] = []
    for (const { id, scheduledAt } of occurrences) {
      const key = keyOf(id)
      const row = this.#statements.findPlace.get(scheduledAt, scheduledAt, job, scheduledAt, key) as number | undefined
      if (row === undefined) continue
      const block = Math.floor(row / 2 ** blockShift)
      this.#statements.removeTime.run(block, job, scheduledAt, key)
      this.#statements.removeId.run(block, prefixOf(key), row)
      this.#statements.remove.run(row)
      this.failures.remove(row)
      blocks.push(block)
    }
    this.#afterRemoval(new Set(blocks))
    return blocks.length
  }

  /** Removes empty blocks, and sets `#indexed` to the last remaining row. */
  #afterRemoval(blocks: Iterable<number>): void {
    for (const block of blocks) {
      const isEmpty = this.#statements.firstOfBlock.get(block) === undefined
      if (isEmpty) this.#statements.removeBlock.run(block)
    }
    // SQLite gives the numbers of removed last rows to new rows. So no number after the last remaining row may count as
    // indexed.
    this.#indexed = (this.#statements.lastRow.get() as number | null) ?? 0
    this.#statements.setIndexed.run(this.#indexed)
  }
}

function prefixOf(key: OccurrenceKey): OccurrenceKey {
  return typeof key === 'string' ? key : key.subarray(0, 6)
}

const indexed = '(SELECT row FROM {history_indexed})'
const keyPrefix = `CASE typeof(id) WHEN 'blob' THEN substr(id, 1, 6) ELSE id END`
const entryColumns = 'scheduled_at AS scheduledAt, id AS key, row'

function prepareStatements(database: NamedTables) {
  return {
    append: database.prepare(`INSERT INTO {history} VALUES (NULL, ${Array(19).fill('?').join(', ')})`),
    indexed: database.pluck('SELECT row FROM {history_indexed}'),
    lastRow: database.pluck('SELECT max(row) FROM {history}'),
    // SQLite adds index entries at low cost if they come in ascending order. So each statement sorts its rows first.
    indexTimes: database.prepare(
      `INSERT INTO {history_times} SELECT row >> ${blockShift}, job, scheduled_at, id, row, job_version FROM {history}
         WHERE row > ? AND row <= ? ORDER BY 1, 2, 3, 4`,
    ),
    indexIds: database.prepare(
      `INSERT INTO {history_ids} SELECT row >> ${blockShift}, ${keyPrefix}, row FROM {history}
         WHERE row > ? AND row <= ? ORDER BY 1, 2, 3`,
    ),
    noteBlocks: database.prepare(
      `INSERT INTO {history_blocks} SELECT row >> ${blockShift}, min(scheduled_at), max(scheduled_at) FROM {history}
         WHERE row > ? AND row <= ? GROUP BY 1
         ON CONFLICT DO UPDATE SET min_at = min(min_at, excluded.min_at), max_at = max(max_at, excluded.max_at)`,
    ),
    setIndexed: database.prepare('UPDATE {history_indexed} SET row = ?'),
    rowsWithPrefix: database.pluck(
      `SELECT i.row FROM {history_blocks} b CROSS JOIN {history_ids} i ON i.block = b.block AND i.prefix = ?`,
    ),
    findInTail: database.pluck(`SELECT row FROM {history} WHERE row > ${indexed} AND id = ? ORDER BY row DESC LIMIT 1`),
    findPlace: database.pluck(
      `SELECT t.row FROM {history_blocks} b
           CROSS JOIN {history_times} t ON t.block = b.block
           WHERE b.min_at <= ? AND b.max_at >= ? AND t.job = ? AND t.scheduled_at = ? AND t.id = ?
           LIMIT 1`,
    ),
    findPlaceInTail: database.pluck(
      `SELECT row FROM {history} WHERE row > ${indexed} AND job = ? AND scheduled_at = ? AND id = ?
           ORDER BY row DESC LIMIT 1`,
    ),
    read: database.raw(`SELECT ${occurrenceColumns.history}, runs FROM {history} WHERE row = ?`),
    readWithoutRuns: database.raw(`SELECT ${occurrenceColumns.history}, NULL FROM {history} WHERE row = ?`),
    tailOfJob: database.prepare(
      `SELECT ${entryColumns} FROM {history} WHERE row > ${indexed} AND job = ? AND scheduled_at >= ? AND scheduled_at < ?`,
    ),
    riseInBlock: database.prepare(
      `SELECT ${entryColumns} FROM {history_times}
         WHERE block = ? AND job = ? AND scheduled_at >= ? AND scheduled_at < ? AND (scheduled_at, id) > (?, ?)
         ORDER BY scheduled_at, id LIMIT ?`,
    ),
    fallInBlock: database.prepare(
      `SELECT ${entryColumns} FROM {history_times}
         WHERE block = ? AND job = ? AND scheduled_at >= ? AND scheduled_at < ? AND (scheduled_at, id) < (?, ?)
         ORDER BY scheduled_at DESC, id DESC LIMIT ?`,
    ),
    blocksRising: database.prepare('SELECT * FROM {history_blocks} WHERE max_at >= ? AND min_at < ? ORDER BY min_at'),
    blocksFalling: database.prepare(
      'SELECT * FROM {history_blocks} WHERE max_at >= ? AND min_at < ? ORDER BY max_at DESC',
    ),
    hasInTail: database.pluck(`SELECT 1 FROM {history} WHERE row > ${indexed} AND job = ? LIMIT 1`),
    has: database.pluck(
      `SELECT 1 FROM {history_blocks} b CROSS JOIN {history_times} t ON t.block = b.block AND t.job = ? LIMIT 1`,
    ),
    removeTime: database.prepare(
      'DELETE FROM {history_times} WHERE block = ? AND job = ? AND scheduled_at = ? AND id = ?',
    ),
    removeId: database.prepare('DELETE FROM {history_ids} WHERE block = ? AND prefix = ? AND row = ?'),
    remove: database.prepare('DELETE FROM {history} WHERE row = ?'),
    firstOfBlock: database.pluck('SELECT 1 FROM {history_times} WHERE block = ? LIMIT 1'),
    removeBlock: database.prepare('DELETE FROM {history_blocks} WHERE block = ?'),
  }
}
