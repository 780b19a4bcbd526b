import type { Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'

/** A SQLite file that contains a table of an application and the tables of Jobistemer. */
export interface AppWorld {
  readonly file: string
  /** The application's connection. */
  readonly app: Database.Database
  /** The names that the application has inserted and committed. */
  notes(): readonly string[]
  /** Opens one more storage on the file. */
  connect(): Storage
  /** Registers a scheduler that must be shut down before the file is removed. */
  keep<T extends AsyncDisposable>(started: T): T
  remove(): Promise<void>
}

export function makeAppWorld(): AppWorld {
  const { file, remove } = makeScratch()
  const app = new Database(file)
  app.pragma('journal_mode = WAL')
  app.exec('CREATE TABLE notes (name TEXT NOT NULL)')
  const reader = new Database(file, { readonly: true })
  const storages: Storage[] = []
  const started: AsyncDisposable[] = []
  return {
    file,
    app,
    notes: () => reader.prepare('SELECT name FROM notes ORDER BY rowid').pluck().all() as string[],
    connect() {
      const storage = sqliteStorage({ file, tablePrefix: 'jobs_' })
      storages.push(storage)
      return storage
    },
    keep(one) {
      started.push(one)
      return one
    },
    async remove() {
      for (const one of started) await one[Symbol.asyncDispose]()
      for (const storage of storages) await storage.close()
      app.close()
      reader.close()
      remove()
    },
  }
}

export function note(app: Database.Database, name: string): void {
  app.prepare('INSERT INTO notes VALUES (?)').run(name)
}

/** Runs the body in a transaction, and rolls back if the body rejects, as transaction tools do. */
export async function inTransaction<T>(app: Database.Database, body: () => Promise<T>): Promise<T> {
  app.exec('BEGIN IMMEDIATE')
  try {
    const answer = await body()
    app.exec('COMMIT')
    return answer
  } catch (error) {
    if (app.inTransaction) app.exec('ROLLBACK')
    throw error
  }
}
