import type { WorldTransaction } from '@jobistemer/storage-conformance'
import { importDependency } from '../storage/import-package.ts'

/** The members of `better-sqlite3` that this program uses. */
interface SqliteModule {
  readonly default: new (
    file: string,
  ) => {
    readonly inTransaction: boolean
    exec(statements: string): unknown
    close(): unknown
  }
}

/** The members of a `pg` client that this program uses. */
export interface PgClient {
  connect(): Promise<unknown>
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly { readonly name: string }[] }>
  end(): Promise<void>
}

/** Returns a function that opens an SQLite file separately, and begins a transaction as the code of a user does. */
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

/** Returns a function that opens a separate connection, and begins a transaction as the code of a user does. */
export function postgresTransactions(makeClient: () => PgClient): () => Promise<WorldTransaction> {
  return async () => {
    const client = makeClient()
    await client.connect()
    await client.query('BEGIN')
    const end = async (statement: string): Promise<void> => {
      try {
        await client.query(statement)
      } finally {
        // When the connection ends, the server rolls back its open transaction.
        await client.end()
      }
    }
    return { transaction: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
  }
}
