import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres, startRedis } from '@jobistemer/test-servers'
import type { Filled, MillionOrder, Watched } from './million-process.ts'
import { formatRate, isWanted, type Suite } from './suite.ts'

const program = fileURLToPath(new URL('./million-process.js', import.meta.url))

/** Approximate number of due jobs per second. The period of the jobs follows from this number. */
const dueEachSecond = 1000
const periods = [1, 2, 3, 4, 5, 6, 10, 12, 15]

const day = 86_400_000

/** Time between the start of the node and the measurement, in ms, in which the start-up work of the node ends. */
const settlingMs = 5000

/**
 * Measures the cost of a node whose storage has a million data jobs: once without due slots, and once with 1,000 due slots per
 * second.
 */
export const millionSuite: Suite = {
  name: 'million',
  title: 'A node among a million stored data jobs',
  async run({ smoke, jobs, storages }) {
    const count = jobs ?? (smoke ? 9000 : 1_000_000)
    const watchMs = smoke ? 2000 : 30_000
    const rows: string[][] = []
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    const redis = await startRedis({ config: { appendonly: 'yes' } })
    const postgres = await startPostgres()
    try {
      for (const [name, url] of [
        ['SQLite', join(folder, 'jobs.db')],
        ['Redis', redis.url],
        ['PostgreSQL', postgres.url],
      ] as const) {
        if (!isWanted(storages, name)) continue
        const measured = await measure(url, { count, watchMs })
        for (const [part, figure] of measured) rows.push([`${name}, ${part}`, figure])
      }
    } finally {
      await Promise.all([redis.stop(), postgres.stop()])
      await rm(folder, { recursive: true, force: true })
    }
    return {
      columns: [`with ${count.toLocaleString('en-US')} jobs`, ''],
      rows,
      notes: [
        `Added in lists of 10,000, each with a cron schedule that fires every ${everyMinutesOf(count)} minutes, spread over its seconds. Two`,
        `nodes, one after the other, each in a separate process, for ${watchMs / 1000} s each: idle, a day before the first slot, and busy, by`,
        'a clock that is a day ahead, when the same number of slots is due each second.',
        'Heap: of the node after garbage collection, without the heap of its process before. Lateness: to the handler.',
      ],
    }
  },
}

async function measure(
  url: string,
  { count, watchMs }: { readonly count: number; readonly watchMs: number },
): Promise<readonly (readonly [string, string])[]> {
  const dueFrom = Date.now() + day
  const common = {
    url,
    count,
    everyMinutes: everyMinutesOf(count),
    dueFrom,
    aheadMs: 0,
    watchAfterMs: settlingMs,
    watchMs,
  }
  const { perSecond } = await run<Filled>({ ...common, does: 'fill' })
  const idle = await run<Watched>({ ...common, does: 'watch' })
  const busy = await run<Watched>({ ...common, does: 'watch', aheadMs: dueFrom - Date.now() })
  const sorted = [...busy.lateness].sort((left, right) => left - right)
  const quantile = (share: number) =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? '-'} ms`
  return [
    ['added', formatRate(perSecond)],
    ['start', `${Math.round(idle.startMs)} ms`],
    ['idle, of a core', `${idle.cpuPercent.toFixed(2)} %`],
    ['idle, heap', `${idle.heapMegabytes.toFixed(1)} MB`],
    ['busy, slots', formatRate((sorted.length * 1000) / watchMs)],
    ['busy, lateness p50', quantile(0.5)],
    ['busy, lateness p99', quantile(0.99)],
    ['busy, largest lateness', quantile(1)],
    ['busy, of a core', `${busy.cpuPercent.toFixed(1)} %`],
    ['busy, heap', `${busy.heapMegabytes.toFixed(1)} MB`],
  ]
}

function everyMinutesOf(count: number): number {
  return periods.findLast((minutes) => minutes * 60 * dueEachSecond <= count) ?? 1
}

async function run<Measured>(order: MillionOrder): Promise<Measured> {
  const options = { maxBuffer: 64 * 1024 * 1024 }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', program, JSON.stringify(order)],
    options,
  )
  return JSON.parse(stdout) as Measured
}
