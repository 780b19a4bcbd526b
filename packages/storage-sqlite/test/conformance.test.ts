import { storageConformance } from '@jobistemer/storage-conformance'
import Database from 'better-sqlite3'
import { describe, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { damage } from './damage.ts'
import { makeScratch } from './scratch.ts'
import { furtherKind, kitEffort } from '../../workspace/test-effort.ts'
import { beginTransaction } from './user-transaction.ts'

storageConformance({
  describe,
  it,
  name: 'sqlite',
  ...kitEffort(0.25, 0.05),
  capabilities: {
    multiProcess: true,
    durability: 'power',
    findsDueJobs: true,
    takesNext: true,
    within: true,
    damage: true,
  },
  open() {
    const { file, remove } = makeScratch()
    return {
      connect: async () => sqliteStorage({ file }),
      dispose: async () => remove(),
      beginTransaction: () => beginTransaction(file),
      damage: (damaged) => damage(file, '', damaged),
      processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument: { file } },
    }
  },
})

// Runs the kit with prefixed tables in a user's database, and with the value of `synchronous` that is not the default.
storageConformance({
  describe,
  it: furtherKind(it),
  name: 'sqlite, with a tablePrefix',
  ...kitEffort(0.05),
  capabilities: {
    multiProcess: true,
    durability: 'process',
    findsDueJobs: true,
    takesNext: true,
    within: true,
    damage: true,
  },
  open() {
    const { file, remove } = makeScratch()
    const options = { file, tablePrefix: 'app_', synchronous: 'normal' } as const
    const own = new Database(file)
    own.exec('CREATE TABLE jobs (name TEXT); PRAGMA user_version = 7')
    own.close()
    return {
      connect: async () => sqliteStorage(options),
      dispose: async () => remove(),
      beginTransaction: () => beginTransaction(file),
      damage: (damaged) => damage(file, 'app_', damaged),
      processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument: options },
    }
  },
})
