import { postgresStorage } from '@jobistemer/storage-postgres'
import pg from 'pg'
import { BareCalls } from '../bare-calls.ts'
import { jobCount } from '../engine-round.ts'
import { formatRate, type Suite } from '../suite.ts'
import { startMeasuredPostgres } from './measured-server.ts'

const schema = 'bloat'
const looks = 5
/**
 * Maximum number of occurrences between two measurements. Between two vacuums, the size of a table has a peak. Frequent
 * measurements show whether the tables also grow from vacuum to vacuum.
 */
const occurrencesPerLook = 250_000

/** Measures how PostgreSQL tables and indexes grow under autovacuum while occurrences are created and ended. */
export const postgresBloatSuite: Suite = {
  name: 'postgres-bloat',
  title: 'Tables and indexes of PostgreSQL after many occurrences',
  async run({ smoke, occurrences = smoke ? 500 : 1_000_000 }) {
    const jobs = smoke ? 20 : jobCount
    const lookCount = Math.max(looks, Math.ceil(occurrences / occurrencesPerLook))
    const seconds = Math.ceil(occurrences / lookCount / jobs)
    const server = await startMeasuredPostgres()
    const storage = postgresStorage({ url: server.url, schema })
    const client = new pg.Client(server.url)
    const rows: string[][] = []
    try {
      await client.connect()
      const calls = new BareCalls(storage, jobs)
      await calls.addJobs()
      for (let look = 1; look <= lookCount; look++) {
        const { perSecond } = await calls.run(seconds)
        const done = look * seconds * jobs
        const { live, history, dead, vacuums } = await sizesOf(client)
        rows.push([
          `${done.toLocaleString('en-US')} occurrences`,
          formatRate(perSecond),
          megabytes(live.table),
          megabytes(live.indexes),
          dead.toLocaleString('en-US'),
          megabytes(history.table),
          megabytes(history.indexes),
          `${((history.table + history.indexes) / done).toFixed(0)} B`,
          String(vacuums),
        ])
      }
    } finally {
      await client.end()
      await storage.close()
      await server.stop()
    }
    return {
      columns: [
        '',
        'rate',
        'live tables',
        'their indexes',
        'their dead rows',
        'history',
        'its indexes',
        'history of one',
        'autovacuums',
      ],
      rows,
      notes: [
        `Storage calls for ${jobs.toLocaleString('en-US')} occurrences at a time, created, started and ended. Live tables: all but the history; no occurrence`,
        'waits or runs at the end of a row. Dead rows accumulate until the next vacuum, at most once a minute. Sizes in MB on disk. Autovacuums: the server’s count for all tables so far.',
      ],
    }
  },
}

interface Size {
  readonly table: number
  readonly indexes: number
}

async function sizesOf(
  client: pg.Client,
): Promise<{ readonly live: Size; readonly history: Size; readonly dead: number; readonly vacuums: number }> {
  const { rows } = await client.query<{
    history: boolean
    table: string
    indexes: string
    dead: string
    vacuums: string
  }>(
    `SELECT relname LIKE 'history%' AS history, sum(pg_table_size(relid)) AS "table",
       sum(pg_indexes_size(relid)) AS indexes, sum(n_dead_tup) AS dead, sum(autovacuum_count) AS vacuums
     FROM pg_stat_user_tables WHERE schemaname = $1 GROUP BY 1`,
    [schema],
  )
  const sizeOf = (history: boolean): Size => {
    const row = rows.find((one) => one.history === history)
    return { table: Number(row?.table ?? 0), indexes: Number(row?.indexes ?? 0) }
  }
  const vacuums = rows.reduce((sum, row) => sum + Number(row.vacuums), 0)
  const dead = Number(rows.find((one) => !one.history)?.dead ?? 0)
  return { live: sizeOf(false), history: sizeOf(true), dead, vacuums }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}
