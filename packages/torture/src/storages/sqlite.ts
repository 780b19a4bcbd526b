import { join } from 'node:path'
import type { StorageKind } from './storage-kind.ts'

/** One file in the run's folder, without a server. */
export const sqlite: StorageKind = {
  // Processes of one machine have one clock.
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
    // Nodes load only the client of their own storage.
    const { sqliteStorage } = await import('@jobistemer/storage-sqlite')
    return sqliteStorage({ file: location, tablePrefix: 'jobs_' })
  },
  async openRows(location) {
    const { SqliteRows } = await import('../rows/sqlite-rows.ts')
    return new SqliteRows(location)
  },
}
