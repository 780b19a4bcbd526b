import { postgresStorage } from '@jobistemer/storage-postgres'
import { latenessRow, measureLateness } from '../lateness-round.ts'
import type { Suite } from '../suite.ts'
import { startMeasuredPostgres } from './measured-server.ts'

/** Measures how late jobs start on PostgreSQL when 1,000 jobs are due at the same instant. */
export const postgresLatenessSuite: Suite = {
  name: 'postgres-lateness',
  title: 'Lateness of 1,000 jobs on PostgreSQL that are due every second',
  async run({ smoke }) {
    const count = smoke ? 5 : 1000
    const seconds = smoke ? 2 : 30
    const server = await startMeasuredPostgres()
    try {
      const rows: string[][] = []
      for (const concurrency of [100, count]) {
        const storage = postgresStorage({ url: server.url, schema: `lateness_${concurrency}` })
        const lateness = await measureLateness(storage, { count, seconds, concurrency })
        rows.push(latenessRow(`jobistemer, ${concurrency} at a time`, lateness))
      }
      return {
        columns: ['', 'starts', 'p50', 'p99', 'largest'],
        rows,
        notes: [`One node, ${seconds} s each. Lateness: from the scheduled instant to the handler's first line.`],
      }
    } finally {
      await server.stop()
    }
  },
}
