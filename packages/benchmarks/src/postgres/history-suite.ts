import { postgresStorage } from '@jobistemer/storage-postgres'
import pg from 'pg'
import { measureHistory } from '../history-round.ts'
import type { Suite } from '../suite.ts'
import { startMeasuredPostgres } from './measured-server.ts'

/** Measures whether a long history of ended occurrences slows the engine down on PostgreSQL. */
export const postgresHistorySuite: Suite = {
  name: 'postgres-history',
  title: 'One-task occurrences per second on PostgreSQL, with and without history',
  async run(options) {
    const server = await startMeasuredPostgres()
    try {
      const rest = async () => {
        const client = new pg.Client(server.url)
        await client.connect()
        await client.query('VACUUM ANALYZE')
        // Runs a pending checkpoint before the measurement, because a checkpoint makes the writes after it more expensive: the
        // first change of each page then writes the whole page to the write-ahead log.
        await client.query('CHECKPOINT')
        await client.end()
      }
      return await measureHistory((schema) => postgresStorage({ url: server.url, schema }), options, rest)
    } finally {
      await server.stop()
    }
  },
}
