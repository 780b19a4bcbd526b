import { randomBytes } from 'node:crypto'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { jobCount } from './engine-round.ts'

const instant = Date.parse('2026-01-01T00:00:00Z')

// As the storage does it.
const rowsPerTransaction = 500
const rowsPerIndexing = 2048
const checkpointPages = 4000

/**
 * The bare better-sqlite3 statements for the rows that one-task occurrences leave behind, on the storage's own tables
 * and with its own settings: move the head, insert the running row; then append it to the history, delete it, and
 * extend the indexes of the history now and then. Ids and texts are made before the clock starts; there are no rules,
 * no tasks, no timers and no answers.
 */
export async function runBareStatements(file: string, seconds: number): Promise<{ readonly perSecond: number }> {
  // The storage makes its tables.
  await sqliteStorage({ file }).close()
  const database = new Database(file)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
    insertHeads(database)
    const ids = Array.from({ length: seconds * jobCount }, () => randomBytes(16))
    const start = starter(database, ids)
    const finish = finisher(database, ids)
    const startedAt = performance.now()
    for (let second = 1; second <= seconds; second++) {
      for (let job = 1; job <= jobCount; job += rowsPerTransaction) start.immediate(second, job)
      for (let job = 1; job <= jobCount; job += rowsPerTransaction) finish.immediate(second, job)
    }
    return { perSecond: (seconds * jobCount * 1000) / (performance.now() - startedAt) }
  } finally {
    database.close()
  }
}

function insertHeads(database: Database.Database): void {
  const insertHead = database.prepare('INSERT INTO heads VALUES (?, 0, 0, 1000, 1, 1, ?, ?, NULL, NULL, NULL)')
  database.transaction(() => {
    for (let job = 1; job <= jobCount; job++) insertHead.run(job, instant, instant + 1000)
  })()
}

function starter(database: Database.Database, ids: readonly Buffer[]) {
  const moveHead = database.prepare('UPDATE heads SET watermark = ?, next_at = ? WHERE row = ? AND next_at = ?')
  const insertRunning = database.prepare(
    'INSERT INTO running VALUES (?, ?, ?, 0, 1, 0, 1, 1, ?, ?, ?, 3600000, NULL, NULL, NULL, ?)',
  )
  return database.transaction((second: number, firstJob: number) => {
    const at = instant + second * 1000
    for (let job = firstJob; job < firstJob + rowsPerTransaction; job++) {
      moveHead.run(at, at + 1000, job, at)
      insertRunning.run(job, at, ids[(second - 1) * jobCount + job - 1], at, at, at, '[["work",0,[0,0,null]]]')
    }
  })
}

function finisher(database: Database.Database, ids: readonly Buffer[]) {
  const appendHistory = database.prepare(
    'INSERT INTO history VALUES (NULL, ?, ?, ?, 3, 0, 1, 1, 1, 1, 0, 0, 0, 0, 3600000, NULL, NULL, NULL, ?)',
  )
  const deleteRunning = database.prepare('DELETE FROM running WHERE job = ? AND scheduled_at = ? AND id = ?')
  const extend = indexExtender(database)
  let indexed = 0
  return database.transaction((second: number, firstJob: number) => {
    const at = instant + second * 1000
    for (let job = firstJob; job < firstJob + rowsPerTransaction; job++) {
      const id = ids[(second - 1) * jobCount + job - 1]
      const row = Number(appendHistory.run(job, at, id, '[["work",2,[1,0,0]]]').lastInsertRowid)
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
