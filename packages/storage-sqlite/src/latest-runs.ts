import type Database from 'better-sqlite3'
import { compareEntries, type HistoryEntry } from './history.ts'
import type { NamedTables } from './table-names.ts'

/**
 * Which finished occurrence of a job is the latest that was run. Nothing is written for it: the indexes of the history
 * tell, block by block from the newest, and each of their entries says whether somebody had started it.
 */
export class LatestRuns {
  readonly #inTail: Database.Statement
  readonly #blocks: Database.Statement
  readonly #inBlock: Database.Statement

  constructor(database: NamedTables) {
    const columns = 'scheduled_at AS scheduledAt, id AS key, row'
    // All jobs at once, as the tail has no index.
    this.#inTail = database.prepare(
      `SELECT job, ${columns} FROM {history} WHERE row > (SELECT row FROM {history_indexed})
         AND token > 0 AND job IN (SELECT value FROM json_each(?))`,
    )
    this.#blocks = database.prepare('SELECT block, max_at FROM {history_blocks} ORDER BY max_at DESC').raw()
    this.#inBlock = database.prepare(
      `SELECT ${columns} FROM {history_times} WHERE block = ? AND job = ? AND ran = 1
         ORDER BY scheduled_at DESC, id DESC LIMIT 1`,
    )
  }

  /** The rows in the history; jobs that have none are left out. */
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
      for (const [block, latestAt] of blocks) {
        if ((latest.get(job)?.scheduledAt ?? Number.NEGATIVE_INFINITY) > latestAt) break
        const entry = this.#inBlock.get(block, job) as HistoryEntry | undefined
        if (entry !== undefined) note(job, entry)
      }
    }
    return new Map([...latest].map(([job, { row }]) => [job, row]))
  }
}
