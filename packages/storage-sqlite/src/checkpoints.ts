import type Database from 'better-sqlite3'

/** Pages of the log after which SQLite copies it into the file. More than the default, because the same pages often repeat. */
export const checkpointPages = 4000

/**
 * The same while many jobs are added. Their ids are random, so each job changes two scattered pages of the indexes. The
 * longer the log, the more of these pages repeat before SQLite copies them.
 */
const bulkPages = 32_000

/**
 * Size to which a log is cut after a long reader or many new jobs have made it grow, in bytes. Twice the usual size, so that
 * an ordinary log is never cut. A page of it has 4,096 bytes and a header.
 */
export const keptLogBytes: number = 2 * checkpointPages * (4096 + 24)

/** A step that adds at least this many jobs counts as a part of a bulk insert. */
const bulkJobs = 100

/** Sets when SQLite copies the write-ahead log into the file. */
export class Checkpoints {
  readonly #database: Database.Database
  #isBulk = false

  constructor(database: Database.Database) {
    this.#database = database
  }

  /** To be called before each commit: how many jobs it adds. */
  beforeCommit(added: number): void {
    const isBulk = added >= bulkJobs
    if (isBulk === this.#isBulk) return
    this.#isBulk = isBulk
    this.#database.pragma(`wal_autocheckpoint = ${isBulk ? bulkPages : checkpointPages}`)
  }
}
