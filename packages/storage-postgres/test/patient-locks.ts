import type pg from 'pg'
import { heldMs } from '../src/quick-functions.ts'

type Send = (text: string, values?: readonly unknown[], ...rest: readonly unknown[]) => Promise<unknown>

/**
 * Makes the statements of this pool that match `of` wait up to 60 s for a lock if the storage limits the wait to 200 ms. After
 * 200 ms the storage would take another way, and on a busy machine a test may need longer to prepare the end of the wait.
 */
export function waitingLong(pool: pg.Pool, of: RegExp): pg.Pool {
  pool.on('connect', (client) => {
    const send = client.query.bind(client) as Send
    const query: Send = (text, values, ...rest) => {
      const isLong = typeof text === 'string' && of.test(text)
      return send(text, isLong ? values?.map((value) => (value === `${heldMs}ms` ? '60s' : value)) : values, ...rest)
    }
    Object.assign(client, { query })
  })
  return pool
}
