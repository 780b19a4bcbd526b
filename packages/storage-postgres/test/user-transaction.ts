import type { WorldTransaction } from '@jobistemer/storage-conformance'
import pg from 'pg'

/** Begins a transaction on a separate connection, as users do. */
export async function beginTransaction(url: string): Promise<WorldTransaction> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('BEGIN')
  const end = async (statement: string): Promise<void> => {
    try {
      const { command } = await client.query(statement)
      if (command !== statement) throw new Error(`${statement} was answered ${command}`)
    } finally {
      // The connection closes one turn of the event loop after the end of the transaction. Until then, the test case can check
      // that the storage rejects calls within a transaction that has ended.
      setImmediate(() => void client.end())
    }
  }
  return { transaction: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
}
