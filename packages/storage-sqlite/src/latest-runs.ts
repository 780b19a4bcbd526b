import type Database from 'better-sqlite3'
import { compareEntries, type HistoryEntry } from './history.ts'
import type { NamedTables } from './table-names.ts'

/**
 * Number of a job's occurrences without a start after which the search gives up. A paused job may have skipped a million
 * slots.
 */
const passedOver = 1000

/**
 * Finds the latest ended run of a job in the indexes of the history, without a separate table. The search reads the indexes
 * block by block from the newest. Each entry says whether a node has started the occurrence.
 */
export class LatestRuns {
  readonly #inTail: Database.Statement
  readonly #blocks: Database.Statement
  readonly #inBlock: Database.Statement
  readonly #countInBlock: Database.Statement

  constructor(database: NamedTables) {
    const columns = 'scheduled_at AS scheduledAt, id AS key, row'
    // The statement searches for all jobs at once, because the tail has no index.
    this.#inTail = database.prepare(
      `SELECT job, ${columns} FROM {history} WHERE row > (SELECT row FROM {history_indexed})
         AND token > 0 AND job IN (SELECT value FROM json_each(?))`,
    )
    this.#blocks = database.raw('SELECT block, max_at FROM {history_blocks} ORDER BY max_at DESC')
    this.#inBlock = database.prepare(
      `SELECT * FROM (
         SELECT ${columns}, ran FROM {history_times} WHERE block = ? AND job = ? AND scheduled_at >= ?
           ORDER BY scheduled_at DESC, id DESC LIMIT ?)
         WHERE ran = 1 ORDER BY scheduledAt DESC, key DESC LIMIT 1`,
    )
    this.#countInBlock = database.pluck(
      `SELECT count(*) FROM (
           SELECT 1 FROM {history_times} WHERE block = ? AND job = ? AND scheduled_at >= ? LIMIT ?)`,
    )
  }

  /**
   * Returns the history row of each job's latest run. Omits jobs without a run, and jobs for which the search has given up.
   */
  rowsOf(jobs: readonly number[]): ReadonlyMap<number, number> {
    const latest = new Map<number, HistoryEntry>()
    const note = (job: number, entry: HistoryEntry) => {
      const before = latest.get(job)
      if (before === undefined || compareEntries(before, entry) < 0) latest.set(job, entry)
    }
    for (const entry of this.#inTail.all(JSON.stringify(jobs)) as (HistoryEntry & { readonly job: number })[]) {
      note(entry.job, entry)
    }
    const blocks = this.#blocks.all() as (readonly [block: number, latestAt: number])[]
    for (const job of jobs) {
      let left = passedOver
      for (const [block, latestAt] of blocks) {
        const from = latest.get(job)?.scheduledAt ?? -9e15
        if (from > latestAt) break
        const entry = this.#inBlock.get(block, job, from, left) as HistoryEntry | undefined
        if (entry === undefined) left -= this.#countInBlock.get(block, job, from, left) as number
        else note(job, entry)
        if (left > 0) continue
        // An unread entry may be later than the entry that the search has found, so this job gets no result.
        latest.delete(job)
        break
      }
    }
    return new Map([...latest].map(([job, { row }]) => [job, row]))
  }
}
