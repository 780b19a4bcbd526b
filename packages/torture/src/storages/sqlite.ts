import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import type { StorageKind } from './storage-kind.ts'

/** One file in the run's folder; there is no server. */
export const sqlite: StorageKind = {
  async prepare(folder) {
    return { location: join(folder, 'jobs.db'), stop: async () => {} }
  },
  async open(location) {
    return sqliteStorage({ file: location })
  },
}
