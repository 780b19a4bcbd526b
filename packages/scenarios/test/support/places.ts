import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'

/** Where data can be: several connections see the same. */
export interface Place {
  connect(): Storage
  dispose(): void
}

/** A kind of storage that scenarios run on. */
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

export const everywhere: readonly PlaceKind[] = [memory, sqlite]
