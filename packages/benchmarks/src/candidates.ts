import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { startRedis } from '@jobistemer/test-servers'

/** A storage to measure: `open` gives a new and empty one each time. */
interface Candidate {
  readonly name: string
  start(): Promise<{ readonly open: (name: string) => Storage; readonly stop: () => Promise<void> }>
}

/** SQLite on a file, and a private Redis with `appendonly yes`. */
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
]
