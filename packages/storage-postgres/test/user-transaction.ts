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
      // The connection closes one turn of the event loop later than the transaction ends. In between, a test case can check
      // that the storage rejects calls `within` the ended transaction.
      setImmediate(() => void client.end())
    }
  }
  return { transaction: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
}
