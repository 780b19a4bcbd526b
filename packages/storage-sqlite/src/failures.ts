import type { OccurrenceQuery } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { OccurrenceKey } from './occurrence-key.ts'
import { occurrenceColumns, type OccurrenceRow } from './occurrence-row.ts'
import { endedAt, isFailedRow } from './schema.ts'

/** Where a failure stands in its index. */
export interface FailurePlace {
  readonly endedAt: number
  readonly key: OccurrenceKey
}

type FailedQuery = Extract<OccurrenceQuery, { readonly kind: 'failed' }>

/**
 * The failures among the finished occurrences. SQLite keeps their two indexes by itself, as it does with every partial
 * index: a row that is no failure only costs a look at its state.
 */
export class Failures {
  readonly #statements: Record<'ofAll' | 'ofJob', Record<FailedQuery['order'], Database.Statement>>

  constructor(database: Database.Database) {
    const prepare = (index: string, isOfJob: string, comparison: '<' | '>', direction: 'ASC' | 'DESC') =>
      database
        .prepare(
          `SELECT ${occurrenceColumns.history} FROM history INDEXED BY ${index}
             WHERE ${isFailedRow} AND ${isOfJob} AND ${endedAt} >= $from AND ${endedAt} < $to
               AND (${endedAt}, id) ${comparison} ($at, $key)
             ORDER BY ${endedAt} ${direction}, id ${direction} LIMIT $limit`,
        )
        .raw()
    const inBothOrders = (index: string, isOfJob: string) => ({
      ascending: prepare(index, isOfJob, '>', 'ASC'),
      descending: prepare(index, isOfJob, '<', 'DESC'),
    })
    this.#statements = {
      ofAll: inBothOrders('history_failed', '$job IS NULL'),
      ofJob: inBothOrders('history_failed_of_job', 'job = $job'),
    }
  }

  /** In the order of their end, one more than the page takes if there are as many. `job` is `null` for all jobs. */
  list(query: FailedQuery, job: number | null, after: FailurePlace | null): readonly OccurrenceRow[] {
    const { order, limit } = query
    const rising = order === 'ascending'
    // The place is a bound of the range too, so that a page does not begin where the first one began.
    const from = Math.max(query.from ?? -9e15, rising && after !== null ? after.endedAt : -9e15)
    const to = Math.min(query.to ?? 9e15, !rising && after !== null ? after.endedAt + 1 : 9e15)
    const { endedAt: at, key } = after ?? { endedAt: rising ? -9e15 : 9e15, key: '' }
    const statement = this.#statements[job === null ? 'ofAll' : 'ofJob'][order]
    return statement.all({ job, from, to, at, key, limit: limit + 1 }) as OccurrenceRow[]
  }
}
