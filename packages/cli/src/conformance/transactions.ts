import type { WorldTransaction } from '@jobistemer/storage-conformance'
import { importDependency } from '../storage/import-package.ts'

/** What is used of `better-sqlite3`. */
interface SqliteModule {
  readonly default: new (
    file: string,
  ) => {
    readonly inTransaction: boolean
    exec(statements: string): unknown
    close(): unknown
  }
}

/** What is used of a client of `pg`. */
export interface PgClient {
  connect(): Promise<unknown>
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly { readonly name: string }[] }>
  end(): Promise<void>
}

/** How transactions of users begin on SQLite: on a connection of their own to a file. */
export async function sqliteTransactions(cwd: string): Promise<(file: string) => Promise<WorldTransaction>> {
  const { default: Database } = await importDependency<SqliteModule>(
    '@jobistemer/storage-sqlite',
    'better-sqlite3',
    cwd,
  )
  return async (file) => {
    const database = new Database(file)
    database.exec('BEGIN IMMEDIATE')
    const end = async (statement: string): Promise<void> => {
      try {
        database.exec(statement)
      } finally {
        if (database.inTransaction) database.exec('ROLLBACK')
        database.close()
      }
    }
    return { transaction: database, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
  }
}

/** How transactions of users begin on PostgreSQL: on a connection of their own. */
export function postgresTransactions(makeClient: () => PgClient): () => Promise<WorldTransaction> {
  return async () => {
    const client = makeClient()
    await client.connect()
    await client.query('BEGIN')
    const end = async (statement: string): Promise<void> => {
      try {
        await client.query(statement)
      } finally {
        // The server rolls back what is still open.
        await client.end()
      }
    }
    return { transaction: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
  }
}
