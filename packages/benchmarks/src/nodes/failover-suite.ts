import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '@jobistemer/test-servers'
import { loadNote } from '../load-note.ts'
import { isWanted, median, type Suite } from '../suite.ts'
import { type Failover, killFirst } from './failover-round.ts'

/** Measures how late slots start after the kill of the node to which their jobs are assigned. */
export const failoverSuite: Suite = {
  name: 'failover',
  title: 'Lateness of slots when the node that they are assigned to is killed',
  async run({ smoke, storages }) {
    const rows: string[][] = []
    const kills = smoke ? 1 : 10
    const options = smoke
      ? { nodes: 2, jobs: 20, deadAfter: 600, settleMs: 1000, watchMs: 2000 }
      : { nodes: 2, jobs: 200, deadAfter: null, settleMs: 12_000, watchMs: 38_000 }
    // The kills are measured in parallel, each with its own nodes and jobs.
    const killAt = async (address: string) =>
      await Promise.all(
        Array.from({ length: kills }, async (_, index) => {
          return await killFirst({ ...options, address, prefix: `failover-${index}` })
        }),
      )
    const redis = await startRedis({ config: { appendonly: 'yes' } })
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-failover-'))
    try {
      if (isWanted(storages, 'Redis')) rows.push(row('Redis', await killAt(redis.url)))
      if (isWanted(storages, 'SQLite')) rows.push(row('SQLite', await killAt(join(folder, 'jobs.db'))))
    } finally {
      await redis.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    return {
      columns: ['', 'kills', 'orphans', 'largest before', 'largest since: median', 'longest', 'wanted', 'missing'],
      rows,
      notes: [
        `Default options, ${options.nodes} processes for each kill, ${options.jobs} jobs that are due every second. Observed until the node`,
        'is declared dead, and some more. orphans: minimum number of jobs that were assigned to the killed node.',
        `All ${kills} kills of a storage happen in parallel, so the largest lateness before the kill shows the lateness of the machine itself.`,
        'missing: slots that no node has started; a few may have been in progress at the kill.',
        loadNote(),
      ],
    }
  },
}

function row(name: string, kills: readonly Failover[]): string[] {
  const since = kills.map((kill) => kill.since)
  return [
    `${name}, first node killed`,
    `${kills.length}`,
    `${Math.min(...kills.map(({ orphans }) => orphans))}`,
    `${Math.max(...kills.map(({ before }) => before))} ms`,
    `${median(since)} ms`,
    `${Math.max(...since)} ms`,
    'below 2500 ms',
    `${kills.reduce((sum, { missing }) => sum + missing, 0)}`,
  ]
}
