import type Database from 'better-sqlite3'

/** Pages of the log after which it is copied into the file: rarer than by default, since hot pages come again. */
export const checkpointPages = 4000

/**
 * The same while many jobs are added. Their ids are random, so that each of them changes two pages somewhere in the indexes:
 * the longer the log, the more of these come again before they are copied.
 */
const bulkPages = 32_000

/**
 * Bytes of the log that are kept for what comes next, of what a long reader or many new jobs have made of it: twice what it
 * has otherwise, so that an ordinary one is never cut. A page of it has 4,096 bytes and a head.
 */
export const keptLogBytes: number = 2 * checkpointPages * (4096 + 24)

/** A step that adds at least this many jobs counts as a part of a bulk insert. */
const bulkJobs = 100

/** When the write-ahead log is copied into the file. */
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
