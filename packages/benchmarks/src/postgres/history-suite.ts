import { postgresStorage } from '@jobistemer/storage-postgres'
import { startPostgres } from '@jobistemer/test-servers'
import { measureHistory } from '../history-round.ts'
import type { Suite } from '../suite.ts'

/** Whether finished history slows the engine down on PostgreSQL. */
export const postgresHistorySuite: Suite = {
  name: 'postgres-history',
  title: 'One-task occurrences per second on PostgreSQL, with and without history',
  async run(options) {
    const server = await startPostgres()
    try {
      return await measureHistory((schema) => postgresStorage({ url: server.url, schema }), options)
    } finally {
      await server.stop()
    }
  },
}
