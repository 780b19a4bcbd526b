import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { startRedis } from '@jobistemer/test-servers'
import { startMeasuredPostgres } from './postgres/measured-server.ts'

/** A storage to measure. Each call of `open` creates a new, empty storage. */
interface Candidate {
  readonly name: string
  start(): Promise<{ readonly open: (name: string) => Storage; readonly stop: () => Promise<void> }>
}

/** The measured storages: SQLite on a file, Redis with `appendonly yes`, and PostgreSQL with its defaults. */
export const candidates: readonly Candidate[] = [
  {
    name: 'SQLite',
    async start() {
      const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
      const open = (name: string) => sqliteStorage({ file: join(folder, `${name}.db`) })
      return { open, stop: () => rm(folder, { recursive: true, force: true }) }
    },
  },
  {
    name: 'Redis',
    async start() {
      const server = await startRedis({ config: { appendonly: 'yes' } })
      return { open: (prefix) => redisStorage({ url: server.url, prefix }), stop: () => server.stop() }
    },
  },
  {
    name: 'PostgreSQL',
    async start() {
      const server = await startMeasuredPostgres()
      return { open: (schema) => postgresStorage({ url: server.url, schema }), stop: () => server.stop() }
    },
  },
]
