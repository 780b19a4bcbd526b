import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { isThorough } from '../../../workspace/test-effort.ts'

/** A database. All its connections access the same data. */
export interface Place {
  connect(): Storage
  dispose(): void
}

/** A kind of storage on which scenarios run. */
export interface PlaceKind {
  readonly name: string
  open(): Place
}

export const memory: PlaceKind = {
  name: 'memory',
  open() {
    const database = memoryDatabase()
    return { connect: () => memoryStorage({ database }), dispose: () => undefined }
  },
}

const sqlite: PlaceKind = {
  name: 'SQLite',
  open() {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-scenario-'))
    const file = join(folder, 'jobs.db')
    return {
      connect: () => sqliteStorage({ file, synchronous: 'normal' }),
      dispose: () => rmSync(folder, { recursive: true, force: true }),
    }
  },
}

/** The storages for scenarios whose result depends on how a storage pages, orders, deletes or fails. */
export const everyStorage: readonly PlaceKind[] = [memory, sqlite]

/** The storages for scenarios that test the engine: memory only, and SQLite too in `npm run test:extra`. */
export const everywhere: readonly PlaceKind[] = isThorough ? everyStorage : [memory]
