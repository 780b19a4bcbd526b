import type Database from 'better-sqlite3'

/**
 * Length of the write-ahead log, in pages, after which SQLite copies the log into the file. The value is greater than
 * SQLite's default: the log often contains the same page several times, and SQLite then copies only the last version of
 * the page.
 */
export const checkpointPages = 4000

/**
 * Value of {@link checkpointPages} while many jobs are added. Job ids are random, so each job changes two scattered
 * pages of the indexes. A longer log contains more changes of the same page. SQLite copies such a page into the file
 * only once.
 */
const bulkPages = 32_000

/**
 * Size to which SQLite truncates the log after it has grown, in bytes. The value is twice the usual size, so that SQLite never
 * truncates an ordinary log. A page of the log has 4,096 bytes and a header.
 */
export const keptLogBytes: number = 2 * checkpointPages * (4096 + 24)

/** If a step adds at least this many jobs, the step counts as a part of a bulk insert. */
const bulkJobs = 100

/** Determines after how many pages SQLite copies the write-ahead log into the file. */
export class Checkpoints {
  readonly #database: Database.Database
  #isBulk = false

  constructor(database: Database.Database) {
    this.#database = database
  }

  /** Must be called before each commit, with the number of jobs that the transaction adds. */
  beforeCommit(added: number): void {
    const isBulk = added >= bulkJobs
    if (isBulk === this.#isBulk) return
    this.#isBulk = isBulk
    this.#database.pragma(`wal_autocheckpoint = ${isBulk ? bulkPages : checkpointPages}`)
  }
}
