import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScheduler, defineJob, type Job, type Scheduler, silentLogger } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { inFlight } from './in-flight.ts'
import { formatRate, median, type Suite } from './suite.ts'

const listLength = 10_000

const ways: readonly {
  readonly name: string
  readonly add: (scheduler: Scheduler, jobs: readonly Job[]) => Promise<void>
}[] = [
  {
    name: `lists of ${listLength.toLocaleString('en-US')}`,
    async add(scheduler, jobs) {
      for (let start = 0; start < jobs.length; start += listLength)
        await scheduler.add(jobs.slice(start, start + listLength))
    },
  },
  {
    name: 'one a call, 1,000 under way',
    async add(scheduler, jobs) {
      let next = 0
      await inFlight({ count: jobs.length, width: 1000 }, () => scheduler.add(jobs[next++] as Job))
    },
  },
  {
    name: 'one a call, one after the other',
    async add(scheduler, jobs) {
      for (const job of jobs) await scheduler.add(job)
    },
  },
]

/** Measures how many data jobs per second `add` and `remove` store on SQLite. */
export const definitionsSuite: Suite = {
  name: 'definitions',
  title: 'Data jobs per second that `add` and `remove` store on SQLite',
  async run({ smoke }) {
    const rounds = smoke ? 1 : 5
    const rates = new Map(ways.map(({ name }) => [name, { adds: [] as number[], removals: [] as number[] }]))
    for (let round = smoke ? 1 : 0; round <= rounds; round++) {
      for (const [index, { name, add }] of ways.entries()) {
        const count = smoke ? 10 : index === ways.length - 1 ? listLength : 2 * listLength
        const measured = await measure(add, count)
        // The first round is a warm-up and not measured.
        if (round === 0) continue
        rates.get(name)?.adds.push(measured.adds)
        rates.get(name)?.removals.push(measured.removals)
      }
    }
    const last = rates.get(ways.at(-1)?.name ?? '')?.adds ?? []
    const rows = [...rates].map(([name, { adds, removals }]) => [
      name,
      formatRate(median(adds)),
      median(adds.map((rate, index) => rate / (last[index] ?? rate))).toFixed(1),
      formatRate(median(removals)),
    ])
    return {
      columns: ['', 'added', 'ratio to one after the other', 'removed, by lists'],
      rows,
      notes: [
        `Medians of ${rounds} rounds after a warm-up round; ratios are paired by round. Each on an empty file with \`synchronous\` full.`,
        'Every job has its own cron schedule, and one task with a handler and some data.',
      ],
    }
  },
}

async function measure(
  add: (scheduler: Scheduler, jobs: readonly Job[]) => Promise<void>,
  count: number,
): Promise<{ readonly adds: number; readonly removals: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
  const storage = sqliteStorage({ file: join(folder, 'jobs.db') })
  const scheduler = createScheduler({ storage, logger: silentLogger, handlers: { bill: () => undefined } })
  try {
    await scheduler.start()
    const jobs = Array.from({ length: count }, (_, index) =>
      defineJob({
        name: `bill-${index}`,
        schedule: cron(`${index % 60} ${index % 24} 1 1 *`),
        tasks: [{ name: 'bill', handler: 'bill', data: { tenant: `tenant-${index}` } }],
      }),
    )
    const addedAt = performance.now()
    await add(scheduler, jobs)
    const adds = (count * 1000) / (performance.now() - addedAt)
    const names = jobs.map(({ name }) => name)
    const removedAt = performance.now()
    for (let start = 0; start < count; start += listLength)
      await scheduler.remove(names.slice(start, start + listLength))
    return { adds, removals: (count * 1000) / (performance.now() - removedAt) }
  } finally {
    await scheduler.shutdown({ gracePeriod: 0 })
    await storage.close()
    await rm(folder, { recursive: true, force: true })
  }
}
