import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import Database from 'better-sqlite3'
import { isCheckout, listCommits, listFiles, readSourceFile } from './repository.ts'

export interface SourceDatabase {
  readonly files: number
  /** Number of commits; `null` if the folder is no git checkout. */
  readonly commits: number | null
}

const longestContent = 1024 * 1024

const schema = `
  CREATE TABLE files (
    path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, lines INTEGER, sha256 TEXT NOT NULL, content ANY
  ) STRICT;
  CREATE TABLE commits (
    hash TEXT PRIMARY KEY, author TEXT NOT NULL, date TEXT NOT NULL, subject TEXT NOT NULL
  ) STRICT;
  CREATE TABLE changes (
    commit_hash TEXT NOT NULL REFERENCES commits (hash), path TEXT NOT NULL, added INTEGER, removed INTEGER,
    PRIMARY KEY (commit_hash, path)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX changes_by_path ON changes (path);
`

/** Creates a database of real data: the files below a folder and, in a git checkout, its commits. */
export async function buildSourceDatabase(file: string, folder: string): Promise<SourceDatabase> {
  const checkout = await isCheckout(folder)
  const paths = await listFiles(folder, checkout)
  const commits = checkout ? await listCommits(folder) : []
  const database = new Database(file)
  try {
    database.exec(schema)
    const insertFile = database.prepare('INSERT INTO files VALUES (?, ?, ?, ?, ?)')
    const insertCommit = database.prepare('INSERT INTO commits VALUES (?, ?, ?, ?)')
    const insertChange = database.prepare('INSERT INTO changes VALUES (?, ?, ?, ?)')
    database.transaction(() => {
      for (const path of paths) insertFile.run(path, ...describeFile(readSourceFile(folder, path)))
      for (const { hash, author, date, subject, changes } of commits) {
        insertCommit.run(hash, author, date, subject)
        for (const { path, added, removed } of changes) insertChange.run(hash, path, added, removed)
      }
    })()
  } finally {
    database.close()
  }
  return { files: paths.length, commits: checkout ? commits.length : null }
}

/**
 * Returns size, number of lines, digest and content of a file. The content is a string for a text file, bytes for
 * another file, and `null` for a file that is too large.
 */
function describeFile(bytes: Buffer): readonly [number, number | null, string, string | Buffer | null] {
  const text = isUtf8(bytes) && !bytes.includes(0) ? bytes.toString() : null
  const lines = text === null ? null : text.split('\n').length - (text.endsWith('\n') || text === '' ? 1 : 0)
  const content = bytes.length > longestContent ? null : (text ?? bytes)
  return [bytes.length, lines, createHash('sha256').update(bytes).digest('hex'), content]
}
