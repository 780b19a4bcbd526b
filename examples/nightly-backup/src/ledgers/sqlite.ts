import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import type { Ledger } from './ledger.ts'

/** Keeps the ledger in a SQLite file, which all processes open, without a server. */
export const sqlite: Ledger = {
  async prepare({ folder }) {
    return { location: { address: folder, name: 'ledger.db' }, description: `in ${folder}`, stop: async () => {} }
  },
  open({ address, name }) {
    return sqliteStorage({ file: join(address, name) })
  },
}
