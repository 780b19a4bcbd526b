import pg from 'pg'
import { sqlStorage } from './sql-storage.js'

/**
 * Connects from a child process of the kit.
 * @param {{ url: string, schema: string }} argument
 */
export function connect({ url, schema }) {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const listen = async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return client
  }
  const storage = sqlStorage({ pool, schema, listen })
  const close = storage.close.bind(storage)
  return Object.assign(storage, { close: () => close().finally(() => pool.end()) })
}
