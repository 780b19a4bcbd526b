import type { WorldTransaction } from '@jobistemer/storage-conformance'
import pg from 'pg'

/** A transaction on a connection of its own, as users have them. */
export async function beginTransaction(url: string): Promise<WorldTransaction> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('BEGIN')
  const end = async (statement: string): Promise<void> => {
    try {
      const { command } = await client.query(statement)
      if (command !== statement) throw new Error(`${statement} was answered ${command}`)
    } finally {
      // The case may look whether something can still be written here.
      setImmediate(() => void client.end())
    }
  }
  return { transaction: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
}
