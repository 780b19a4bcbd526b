import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { onTestFinished } from 'vitest'
import { type DemoFolder, demoFolder } from '../src/demo-folder.ts'

/** Creates a folder, which the test removes when it ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nightly-backup-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Creates the demo's folders, with a small database as the source. */
export function backupWorld(rows = 500): DemoFolder {
  const folder = demoFolder(temporaryFolder())
  mkdirSync(folder.backups)
  mkdirSync(folder.work)
  createDatabase(folder.source, rows)
  return folder
}

/**
 * Creates a database with values of every storage class of SQLite. The database has two tables, an index, a view and a
 * full-text table. One of the tables is `WITHOUT ROWID`.
 */
export function createDatabase(file: string, rows = 500): void {
  const database = new Database(file)
  database.exec(`
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, bytes BLOB, number REAL, big INTEGER, absent TEXT);
    CREATE TABLE tags (note INTEGER, tag TEXT, PRIMARY KEY (note, tag)) WITHOUT ROWID;
    CREATE INDEX notes_by_text ON notes (text);
    CREATE VIEW recent AS SELECT * FROM notes ORDER BY id DESC LIMIT 10;
    CREATE VIRTUAL TABLE words USING fts5 (text);
  `)
  const insertNote = database.prepare('INSERT INTO notes VALUES (?, ?, ?, ?, ?, NULL)')
  const insertTag = database.prepare('INSERT INTO tags VALUES (?, ?)')
  database.transaction(() => {
    for (let id = 1; id <= rows; id++) {
      insertNote.run(id, `note ${id} – ü`, Buffer.from([0, id % 256, 255]), id / 3, 9_007_199_254_740_993n)
      insertTag.run(id, id % 2 === 0 ? 'even' : 'odd')
    }
    database.prepare('INSERT INTO words VALUES (?)').run('full text')
  })()
  database.close()
}
