import { join } from 'node:path'
import type { StorageKind } from './storage-kind.ts'

/** A SQLite file in the run's folder, without a server. */
export const sqlite: StorageKind = {
  // All processes of a SQLite storage run on one machine with one clock, so by default the clocks are right.
  usualSkewMinutes: 0,
  secondsPerKill: 0.4,
  slowdown: 1,
  intervals: { pollInterval: 200, deadAfter: 1500 },
  async prepare(folder) {
    const location = join(folder, 'jobs.db')
    const { makeSqliteRows } = await import('../rows/sqlite-rows.ts')
    makeSqliteRows(location)
    return { location, server: null, stop: async () => {} }
  },
  async open(location) {
    // The client library is loaded here, so that nodes load only the library of their own storage.
    const { sqliteStorage } = await import('@jobistemer/storage-sqlite')
    return sqliteStorage({ file: location, tablePrefix: 'jobs_' })
  },
  async openRows(location) {
    const { SqliteRows } = await import('../rows/sqlite-rows.ts')
    return new SqliteRows(location)
  },
}
