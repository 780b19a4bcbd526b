import type { WorldTransaction } from '@jobistemer/storage-conformance'
import Database from 'better-sqlite3'

/** Begins a transaction on a separate connection, as users do. */
export async function beginTransaction(file: string): Promise<WorldTransaction> {
  const database = new Database(file)
  database.exec('BEGIN IMMEDIATE')
  const end = (statement: string): void => {
    try {
      database.exec(statement)
    } finally {
      if (database.inTransaction) database.exec('ROLLBACK')
    }
  }
  return {
    transaction: database,
    commit: async () => end('COMMIT'),
    rollback: async () => end('ROLLBACK'),
  }
}
