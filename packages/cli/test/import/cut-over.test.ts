import { realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { startPostgres, startRedis } from '@jobistemer/test-servers'
import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq-5'
import { Client } from 'pg'
import { PgBoss } from 'pg-boss'
import { expect, it } from 'vitest'
import { isThorough } from '../../../workspace/test-effort.ts'
import { useScratch } from '../ledger.ts'
import {
  clientOf,
  type CutOverWorld,
  drained,
  figuresOf,
  handOver,
  namedRuns,
  prepare,
  type Run,
  startNode,
} from './cut-over-world.ts'

/** Duration of each test in seconds, with the cut-over in the middle. */
const seconds = Number(process.env.JOBISTEMER_CUT_OVER_SECONDS ?? (isThorough ? 45 : 8))
const isFull = isThorough || seconds > 60
/** Number of waiting jobs and of delayed jobs at the cut-over. */
const [waiting, delayed] = isFull ? [10_000, 1000] : [400, 100]
const limitMs = (2 * seconds + 240) * 1000
const scratch = useScratch()

/**
 * Adds numbered jobs every 50 ms: to the source before the cut-over, and to Jobistemer after it. Returns the number
 * that follows the number of the last added job.
 */
async function produce(
  until: number,
  cutOver: number,
  from: number,
  add: (n: number, isOld: boolean) => Promise<unknown>,
): Promise<number> {
  let n = from
  for (; Date.now() < until; n += 1) {
    await add(n, Date.now() < cutOver)
    await sleep(50)
  }
  return n
}

function report(name: string, figures: object): void {
  if (isFull) console.info(`${name}, ${seconds} s:`, JSON.stringify(figures))
}

/** Makes a project folder in which a library and its dependencies are installed. */
function projectWith(library: string): string {
  const installed = fileURLToPath(new URL(`../../node_modules/${library}`, import.meta.url))
  const project = scratch.folder()
  symlinkSync(dirname(realpathSync(installed)), join(project, 'node_modules'))
  return project
}

const libraries = { bullmq: bullmq6, 'bullmq-5': bullmq5 as unknown as typeof bullmq6 }
const bullmqCases = [
  ['bullmq', true],
  ['bullmq', false],
  ['bullmq-5', true],
] as const

it.each(isFull ? bullmqCases : bullmqCases.slice(0, 1))(
  'the cut-over from %s to Jobistemer under load loses no run and repeats no run (importer crashes: %j)',
  async (library, crashes) => {
    const { Queue, Worker } = libraries[library]
    const server = await startRedis()
    const connection = { url: server.url, maxRetriesPerRequest: null }
    const folder = scratch.folder()
    const project = projectWith(library)
    const runs: Run[] = []
    await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
    const log: string[] = []
    const node = await startNode(folder, runs, log, ['ticks', 'bulk'])
    const client = clientOf(folder)
    const world: CutOverWorld = { folder, runs, client, source: ['bullmq', '--from', server.url], project }

    const ticks = new Queue('ticks', { connection })
    const bulk = new Queue('bulk', { connection })
    const periods = new Map<string, number>()
    for (let n = 0; n < 3; n += 1) {
      await ticks.upsertJobScheduler(`second-${n}`, { pattern: '* * * * * *', tz: 'UTC' })
      await ticks.upsertJobScheduler(`every-${n}`, { every: 1000 })
      await ticks.upsertJobScheduler(`ten-${n}`, { pattern: '*/10 * * * * *', tz: 'UTC' })
      await ticks.upsertJobScheduler(`every-ten-${n}`, { every: 10_000 })
      for (const [id, period] of [
        ['second', 1000],
        ['every', 1000],
        ['ten', 10_000],
        ['every-ten', 10_000],
      ] as const)
        periods.set(`${id}-${n}`, period)
    }
    const options = { connection: { ...connection }, concurrency: 20 }
    const tickWorker = new Worker(
      'ticks',
      async ({ id = '' }) => {
        const [, name, slot] = id.split(':')
        runs.push({ by: 'source', what: `ticks/${name}@${slot}` })
      },
      options,
    )
    // Milliseconds of each job, so that some jobs still wait at the cut-over.
    const bulkMs = isFull ? 10 : 25
    const bulkWorker = new Worker(
      'bulk',
      async ({ data }) => {
        runs.push({ by: 'source', what: `n${data.n}` })
        await sleep(bulkMs)
      },
      { ...options, concurrency: 2 },
    )

    const begun = Date.now()
    // The stop command must start before the cut-over. On a busy machine, the import and the start of the command take 10 s.
    const cutOver = Math.ceil((begun + Math.max(20_000, seconds * 500)) / 1000) * 1000
    const end = Math.max(begun + seconds * 1000, cutOver + 3000)
    const producing = produce(end - 1000, cutOver - 2000, waiting + delayed, async (n, isOld) =>
      isOld
        ? bulk.add('load', { n })
        : client.trigger('bulk', { key: `new-${n}`, data: { name: 'load', data: { n } } }),
    )
    const stop = await prepare(world, cutOver, { REDIS_URL: server.url })
    await sleep(cutOver - (isFull ? 8000 : 3000) - Date.now())
    for (let n = 0; n < waiting + delayed; n += 100) {
      const opts = (m: number) => (m < waiting ? {} : { delay: 1 + ((m * 13) % 8000) })
      await bulk.addBulk(
        Array.from({ length: 100 }, (_, m) => ({ name: 'mail', data: { n: n + m }, opts: opts(n + m) })),
      )
    }
    expect(await stop.ended).toMatchObject({ code: 0, err: '' })
    await Promise.all([tickWorker.close(), bulkWorker.close()])
    const decided = new Map((await ticks.getJobSchedulers()).map(({ key, next = 0 }) => [`ticks/${key}`, next]))
    await sleep(cutOver - Date.now())
    const handedOver = await handOver(world, cutOver, crashes)
    const numbers = await producing
    await sleep(end - Date.now())
    await drained(client, end)
    await node.shutdown()

    const slots = new Map<string, readonly number[]>()
    const named = await namedRuns(world, async (key) => key.replace(/^repeat:(.*):(\d+)$/, 'ticks/$1@$2'))
    for (const [id, period] of periods) {
      const first = named.find(({ what }) => what.startsWith(`ticks/${id}@`))?.what.split('@')[1]
      const length = Math.max(0, Math.ceil((end - 1000 - Number(first)) / period))
      slots.set(
        `ticks/${id}`,
        Array.from({ length }, (_, n) => Number(first) + n * period),
      )
    }
    const figures = figuresOf(named, { slots, decided, numbers })
    report(`${library}${crashes ? ' with crashes' : ''}`, { ...figures, ...handedOver })
    expect(figures, log.join('\n')).toMatchObject({ twice: [], missing: [] })
    expect(figures.slotsOfSource).toBeGreaterThan(20)
    expect(figures.slotsOfJobistemer).toBeGreaterThan(15)
    expect(figures.jobsOfSource).toBeGreaterThan(10)
    expect(figures.jobsOfJobistemer).toBeGreaterThan(waiting / 4)
    if (crashes) expect(handedOver.existed).toBeGreaterThan(0)
    await client.close()
    await Promise.all([ticks.close(), bulk.close()])
    await server.stop()
  },
  limitMs,
)

// This test takes up to two minutes, because a pg-boss schedule creates at most one job per minute.
it.runIf(isFull)(
  'the cut-over from pg-boss to Jobistemer under load loses no run and repeats no run, although the importer crashes',
  async () => {
    const server = await startPostgres({ quick: true })
    const folder = scratch.folder()
    const runs: Run[] = []
    await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
    const log: string[] = []
    const node = await startNode(folder, runs, log, ['ticks', 'bulk'])
    const client = clientOf(folder)
    const project = projectWith('pg-boss')
    const world: CutOverWorld = { folder, runs, client, source: ['pg-boss', '--from', server.url], project }
    const boss = new PgBoss({ connectionString: server.url, supervise: false, instanceHeartbeatSeconds: 1 })
    await boss.start()
    await boss.createQueue('ticks')
    await boss.createQueue('bulk')
    for (const key of ['a', 'b', 'c']) await boss.schedule('ticks', '* * * * *', { key }, { key })
    const minuteOf = (at: Date): number => Math.floor(+at / 60_000) * 60_000
    await boss.work('ticks', { includeMetadata: true, pollingIntervalSeconds: 0.5 }, async (jobs) => {
      for (const { data, createdOn } of jobs)
        runs.push({ by: 'source', what: `ticks/${(data as { key: string }).key}@${minuteOf(createdOn)}` })
    })
    await boss.work('bulk', { pollingIntervalSeconds: 0.5, batchSize: 20 }, async (jobs) => {
      for (const { data } of jobs) runs.push({ by: 'source', what: `n${(data as { n: number }).n}` })
      await sleep(100)
    })

    const begun = Date.now()
    const cutOver = Math.ceil((begun + Math.max(25_000, seconds * 500)) / 60_000) * 60_000
    const end = Math.max(begun + seconds * 1000, cutOver + 8000)
    const producing = produce(end - 1000, cutOver - 4000, waiting + delayed, async (n, isOld) =>
      isOld ? boss.send('bulk', { n }) : client.trigger('bulk', { key: `new-${n}`, data: { n } }),
    )
    const stop = await prepare(world, cutOver, { DATABASE_URL: server.url })
    await sleep(cutOver - 15_000 - Date.now())
    await boss.insert(
      'bulk',
      Array.from({ length: waiting }, (_, n) => ({ data: { n } })),
    )
    await boss.insert(
      'bulk',
      Array.from({ length: delayed }, (_, n) => ({ data: { n: waiting + n }, startAfter: 1 + (n % 25) })),
    )
    expect(await stop.ended).toMatchObject({ code: 0, err: '' })
    await sleep(cutOver - 3000 - Date.now())
    await boss.stop()
    await sleep(cutOver - Date.now())
    const handedOver = await handOver(world, cutOver, true)
    const numbers = await producing
    await sleep(end - Date.now())
    await drained(client, end)
    await node.shutdown()

    const admin = new Client({ connectionString: server.url })
    await admin.connect()
    const named = await namedRuns(world, async (id) => {
      const { rows } = await admin.query('SELECT data, created_on FROM pgboss.job WHERE id = $1', [id])
      return `ticks/${rows[0].data.key ?? rows[0].data.data.key}@${minuteOf(rows[0].created_on)}`
    })
    await admin.end()
    const slots = new Map(
      ['a', 'b', 'c'].map((key) => {
        const first = named.find(({ what }) => what.startsWith(`ticks/${key}@`))?.what.split('@')[1]
        const length = Math.max(0, Math.ceil((end - 1000 - Number(first)) / 60_000))
        return [`ticks/${key}`, Array.from({ length }, (_, n) => Number(first) + n * 60_000)] as const
      }),
    )
    const figures = figuresOf(named, { slots, decided: new Map(), numbers })
    report('pg-boss with crashes', { ...figures, ...handedOver })
    expect(figures, log.join('\n')).toMatchObject({ twice: [], missing: [], leftOutBySource: 0 })
    expect(figures.slotsOfSource).toBeGreaterThanOrEqual(3)
    expect(figures.slotsOfJobistemer).toBeGreaterThanOrEqual(3)
    expect(figures.jobsOfJobistemer).toBeGreaterThan(waiting / 4)
    expect(handedOver.existed).toBeGreaterThan(0)
    await client.close()
    await server.stop()
  },
  limitMs + 120_000,
)
