import { randomBytes } from 'node:crypto'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { jobCount } from './engine-round.ts'

const instant = Date.parse('2026-01-01T00:00:00Z')

/**
 * The statements that one-task occurrences cannot do without, on the storage's own tables and with its own settings:
 * move the head, insert the running row; then append it to the history and delete it. Ids and texts are made before
 * the clock starts; there are no rules, no tasks and no answers.
 */
export async function runBareStatements(file: string, seconds: number): Promise<{ readonly perSecond: number }> {
  // The storage makes its tables.
  await sqliteStorage({ file }).close()
  const database = new Database(file)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    const insertHead = database.prepare('INSERT INTO heads VALUES (?, 0, 0, 1000, 1, 1, ?, ?, NULL, NULL, NULL)')
    database.transaction(() => {
      for (let job = 1; job <= jobCount; job++) insertHead.run(job, instant, instant + 1000)
    })()
    const moveHead = database.prepare('UPDATE heads SET watermark = ?, next_at = ? WHERE row = ? AND next_at = ?')
    const insertRunning = database.prepare(
      'INSERT INTO running VALUES (?, ?, ?, 0, 1, 0, 1, 1, ?, ?, ?, 3600000, NULL, NULL, NULL, ?)',
    )
    const appendHistory = database.prepare(
      'INSERT INTO history VALUES (NULL, ?, ?, ?, 3, 0, 1, 1, 1, 1, 0, 0, 0, 0, 3600000, NULL, NULL, NULL, ?)',
    )
    const deleteRunning = database.prepare('DELETE FROM running WHERE job = ? AND scheduled_at = ? AND id = ?')
    const ids = Array.from({ length: seconds * jobCount }, () => randomBytes(16))
    const start = database.transaction((second: number) => {
      const at = instant + second * 1000
      for (let job = 1; job <= jobCount; job++) {
        moveHead.run(at, at + 1000, job, at)
        insertRunning.run(job, at, ids[(second - 1) * jobCount + job - 1], at, at, at, '[["work",0,[0,0,null]]]')
      }
    })
    const finish = database.transaction((second: number) => {
      const at = instant + second * 1000
      for (let job = 1; job <= jobCount; job++) {
        const id = ids[(second - 1) * jobCount + job - 1]
        appendHistory.run(job, at, id, '[["work",2,[1,0,0]]]')
        deleteRunning.run(job, at, id)
      }
    })
    const startedAt = performance.now()
    for (let second = 1; second <= seconds; second++) {
      start.immediate(second)
      finish.immediate(second)
    }
    return { perSecond: (seconds * jobCount * 1000) / (performance.now() - startedAt) }
  } finally {
    database.close()
  }
}
