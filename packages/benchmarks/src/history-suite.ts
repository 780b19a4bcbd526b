import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { measureHistory } from './history-round.ts'
import type { Suite } from './suite.ts'

/** Measures whether a long history of ended occurrences slows the engine down on SQLite. */
export const historySuite: Suite = {
  name: 'history',
  title: 'One-task occurrences per second on SQLite, with and without history',
  async run(options) {
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    try {
      return await measureHistory((name) => sqliteStorage({ file: join(folder, `${name}.db`) }), options)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
