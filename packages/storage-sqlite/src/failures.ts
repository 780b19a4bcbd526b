import type { OccurrenceQuery } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { OccurrenceKey } from './occurrence-key.ts'
import type { NamedTables } from './table-names.ts'

/**
 * A position in the index of failures: the end and the key of a failure, by which the index is sorted. A page of the
 * list of failures begins after such a position.
 */
export interface FailurePlace {
  readonly endedAt: number
  readonly key: OccurrenceKey
}

type FailedQuery = Extract<OccurrenceQuery, { readonly kind: 'failed' }>

/**
 * The index of the failures in the history. The index is a separate table. Partial indexes over the history would
 * reduce the number of runs that can end per second by an eighth, although most ends are no failures.
 */
export class Failures {
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

  /**
   * Removes a row from the index of failures, because the row was removed from the history. Does nothing if the row is
   * no failure.
   */
  remove(row: number): void {
    this.#remove.run(row)
  }

  /**
   * Returns the row numbers of failures in the order of their end, at most one more than the limit of the query. `job`:
   * `null` for all jobs.
   */
  list(query: FailedQuery, job: number | null, after: FailurePlace | null): readonly number[] {
    const { order, limit } = query
    const rising = order === 'ascending'
    // `after`, the last failure of the previous page, also bounds the range, so that SQLite does not read earlier pages
    // again.
    const from = Math.max(query.from ?? -9e15, rising && after !== null ? after.endedAt : -9e15)
    const to = Math.min(query.to ?? 9e15, !rising && after !== null ? after.endedAt + 1 : 9e15)
    const { endedAt: at, key } = after ?? { endedAt: rising ? -9e15 : 9e15, key: '' }
    const statement = this.#statements[job === null ? 'ofAll' : 'ofJob'][order]
    return statement.all({ job, from, to, at, key, limit: limit + 1 }) as number[]
  }
}
