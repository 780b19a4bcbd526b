import { randomBytes } from 'node:crypto'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { type Cost, costOf } from './cost.ts'

const instant = Date.parse('2026-01-01T00:00:00Z')

// Maximum number of rows that each transaction writes: the same number as in the SQLite storage.
const rowsPerTransaction = 500
const rowsPerIndexing = 2048
const checkpointPages = 4000

/**
 * Runs the bare better-sqlite3 statements that write the rows of one-task occurrences. The statements, transactions, tables
 * and settings are those of the SQLite storage.
 *
 * One transaction updates the heads and inserts the running rows. Another transaction moves these rows to the history.
 */
export async function runBareStatements(file: string, seconds: number, jobCount: number): Promise<Cost> {
  // Opens and closes a storage, because the storage creates its tables when it opens.
  await sqliteStorage({ file }).close()
  const database = new Database(file)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
    insertHeads(database, jobCount)
    const ids = Array.from({ length: seconds * jobCount }, () => randomBytes(16))
    const start = starter(database, ids, jobCount)
    const finish = finisher(database, ids, jobCount)
    return await costOf(seconds * jobCount, async () => {
      for (let second = 1; second <= seconds; second++) {
        for (let job = 1; job <= jobCount; job += rowsPerTransaction) start.immediate(second, job)
        for (let job = 1; job <= jobCount; job += rowsPerTransaction) finish.immediate(second, job)
      }
    })
  } finally {
    database.close()
  }
}

function insertHeads(database: Database.Database, jobCount: number): void {
  const insertHead = database.prepare(
    `INSERT INTO heads (row, flags, policy, max_queued, handler, version, watermark, next_at, key)
       VALUES (?, 0, 0, 1000, 1, 1, ?, ?, randomblob(16))`,
  )
  database.transaction(() => {
    for (let job = 1; job <= jobCount; job++) insertHead.run(job, instant, instant + 1000)
  })()
}

function starter(database: Database.Database, ids: readonly Buffer[], jobCount: number) {
  const rows = Math.min(rowsPerTransaction, jobCount)
  const moveHead = database.prepare(`
    UPDATE heads SET watermark = next_at, next_at = ?
      WHERE row = ? AND next_at = ? AND version = ? AND flags = 0 AND watermark < next_at
        AND (paused_until IS NULL OR paused_until <= next_at)
        AND (excluded_until IS NULL OR excluded_until < next_at)
        AND (policy = 3 OR (
          pending = delayed AND cancels_below IS NULL AND NOT EXISTS (SELECT 1 FROM running WHERE job = heads.row)))`)
  const insertRunning = database.prepare(
    'INSERT INTO running VALUES (?, ?, ?, 0, 1, 0, 0, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)',
  )
  const noteMoves = database.prepare('INSERT INTO moved_jobs VALUES (NULL, ?)')
  return database.transaction((second: number, firstJob: number) => {
    const at = instant + second * 1000
    noteMoves.run(JSON.stringify(Array.from({ length: rows }, (_, index) => firstJob + index)))
    for (let job = firstJob; job < firstJob + rows; job++) {
      const id = ids[(second - 1) * jobCount + job - 1]
      moveHead.run(at + 1000, job, at, 1)
      insertRunning.run(job, at, id, 1, 1, at, at, at, 3_600_000, null, '[["work",0,[0,0,null]]]')
    }
  })
}

function finisher(database: Database.Database, ids: readonly Buffer[], jobCount: number) {
  const rows = Math.min(rowsPerTransaction, jobCount)
  const appendHistory = database.prepare(`
    INSERT INTO history
      SELECT NULL, job, scheduled_at, id, ?, kind, token, ?, rescues, owner, job_version, due_at - scheduled_at,
        created_at - scheduled_at, started_at - created_at, ? - created_at, timeout, ?, NULL, details, ?
      FROM running WHERE job = ? AND scheduled_at = ? AND id = ? AND token = ? AND owner = coalesce(?, owner)
        AND sequence < ? AND cancel IS NULL`)
  const deleteRunning = database.prepare('DELETE FROM running WHERE job = ? AND scheduled_at = ? AND id = ?')
  const extend = indexExtender(database)
  let indexed = 0
  return database.transaction((second: number, firstJob: number) => {
    const at = instant + second * 1000
    for (let job = firstJob; job < firstJob + rows; job++) {
      const id = ids[(second - 1) * jobCount + job - 1]
      const runs = '[["work",2,[1,0,0]]]'
      const row = Number(appendHistory.run(3, 1, at, null, runs, job, at, id, 1, 1, 1).lastInsertRowid)
      deleteRunning.run(job, at, id)
      if (row - indexed < rowsPerIndexing) continue
      extend(indexed, row)
      indexed = row
    }
  })
}

function indexExtender(database: Database.Database): (after: number, last: number) => void {
  const statements = [
    `INSERT INTO history_times SELECT row >> 14, job, scheduled_at, id, row, job_version FROM history
       WHERE row > ? AND row <= ? ORDER BY 1, 2, 3, 4`,
    `INSERT INTO history_ids SELECT row >> 14, substr(id, 1, 6), row FROM history
       WHERE row > ? AND row <= ? ORDER BY 1, 2, 3`,
    `INSERT INTO history_blocks SELECT row >> 14, min(scheduled_at), max(scheduled_at) FROM history
       WHERE row > ? AND row <= ? GROUP BY 1
       ON CONFLICT DO UPDATE SET min_at = min(min_at, excluded.min_at), max_at = max(max_at, excluded.max_at)`,
  ].map((sql) => database.prepare(sql))
  return (after, last) => {
    for (const statement of statements) statement.run(after, last)
  }
}
