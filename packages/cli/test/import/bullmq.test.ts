import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createScheduler, silentLogger, systemClock } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq-5'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../../workspace/test-effort.ts'
import { useScratch } from '../ledger.ts'
import { runCli } from '../run-cli.ts'

const scratch = useScratch()
const periodMs = 5_400_000
const year = new Date().getUTCFullYear() + 1
let server: RedisServer
let admin: Redis

beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.url, { maxRetriesPerRequest: null })
})

afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

/** Returns a digest of every Redis key with its value and its expiry. */
async function contentOf(redis: Redis): Promise<string> {
  const hash = createHash('sha256')
  for (const key of (await redis.keys('*')).sort()) {
    hash.update(key)
    hash.update((await redis.dumpBuffer(key)) as Buffer)
    hash.update(String(await redis.pttl(key)))
  }
  return hash.digest('hex')
}

/** The parts of BullMQ 5 and 6 that the fixtures call. */
type Queue = InstanceType<(typeof bullmq6)['Queue']>

async function fill(library: 'bullmq' | 'bullmq-5', prefix: string): Promise<Queue> {
  const connection = { url: server.url }
  const queue =
    library === 'bullmq'
      ? (new bullmq6.Queue('mails', { connection, prefix }) as unknown as Queue)
      : (new bullmq5.Queue('mails', { connection, prefix }) as unknown as Queue)
  await queue.upsertJobScheduler(
    'nightly',
    { pattern: '0 2 * * *', tz: 'Europe/Berlin' },
    {
      name: 'digest',
      data: { to: 'all' },
      opts: { attempts: 4, backoff: { type: 'exponential', delay: 2000 }, priority: 3 },
    },
  )
  await queue.upsertJobScheduler('poll', { every: periodMs }, { name: 'poll' })
  await queue.upsertJobScheduler('season', { pattern: '0 12 * * *', tz: 'UTC', limit: 10, startDate: `${year}-06-01` })
  await queue.upsertJobScheduler('zoneless', { pattern: '30 6 * * *' })
  await queue.setGlobalConcurrency(7)
  await queue.setGlobalRateLimit(30, 60_000)
  await queue.add('welcome', { to: 'joe' })
  await queue.add('welcome', { to: 'ann' }, { attempts: 3, backoff: 5000, jobId: 'own-id' })
  await queue.add('urgent', { n: 1 }, { priority: 1 })
  await queue.add('late', { n: 2 }, { priority: 500, lifo: true })
  await queue.add('later', { n: 3 }, { delay: 3_600_000 })
  await queue.add('single', {}, { deduplication: { id: 'one' } })
  return queue
}

async function nextOf(queue: Queue): Promise<number> {
  return (await queue.getJobSchedulers()).find(({ key }) => key === 'poll')?.next as number
}

describe.each(['bullmq', 'bullmq-5'] as const)('jobistemer import from the library %s', (library) => {
  const prefix = `b-${library}`
  let queue: Queue

  beforeAll(async () => {
    queue = await fill(library, prefix)
  })
  afterAll(() => queue.close())

  const ask = (...argv: string[]) =>
    runCli(['import', 'bullmq', '--from', server.url, '--source-prefix', prefix, '--zone', 'Asia/Tokyo', ...argv], {
      now: null,
      cwd: process.cwd(),
    })

  it('writes the job schedulers and queues of the library as jobs that plan and apply accept, and writes nothing to Redis', async () => {
    const before = await contentOf(admin)
    const folder = scratch.folder()
    const file = join(folder, 'jobs.json')
    const { out, err, code } = await ask('--output', file)
    expect({ err, code }).toEqual({ err: '', code: 0 })
    expect(out).toContain('5 jobs of BullMQ written')
    expect(out).toContain('queue mails, scheduler zoneless: It names no time zone')
    expect(out).toContain('at most 7 jobs of the queue at once')
    expect(out).toContain('starts at most 30 jobs of the queue in 60000 ms')
    expect(out).toContain('The concurrency and the limiter of a worker are code')
    const { jobs } = JSON.parse(readFileSync(file, 'utf8'))
    const byName = Object.fromEntries(jobs.map((job: { name: string }) => [job.name, job]))
    expect(Object.keys(byName).sort()).toEqual([
      'mails',
      'mails/nightly',
      'mails/poll',
      'mails/season',
      'mails/zoneless',
    ])
    expect(byName['mails/nightly']).toEqual({
      name: 'mails/nightly',
      schedule: { type: 'cron', expression: '0 2 * * *', timezone: 'Europe/Berlin' },
      overlapPolicy: 'queue',
      maxConcurrency: 7,
      startRate: { limit: 30, interval: 60_000 },
      taskTimeout: 3_600_000,
      executionTimeout: 4 * 3_600_000 + 14_000,
      retryPolicy: { maxRetries: 3, retryInterval: 2000, backoffFactor: 2 },
      priority: -3,
      tasks: [{ name: 'run', handler: 'mails', data: { name: 'digest', data: { to: 'all' } } }],
    })
    const next = await nextOf(queue)
    expect(byName['mails/poll'].schedule).toEqual({
      type: 'iso8601',
      interval: `R/${new Date(next).toISOString()}/PT5400S`,
      timezone: 'UTC',
    })
    const { interval } = byName['mails/poll'].schedule
    expect(iso8601(interval).nextMs(next)).toBe(next + periodMs)
    expect(byName['mails/season'].schedule).toEqual({
      type: 'cron',
      expression: '0 12 * * *',
      timezone: 'UTC',
      start: `${year}-06-01T12:00:00.000Z`,
      end: `${year}-06-10T12:00:00.000Z`,
    })
    expect(byName['mails/zoneless'].schedule.timezone).toBe('Asia/Tokyo')
    const place = ['-s', 'sqlite:jobs.db', '--owner', 'moved']
    await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
    expect((await runCli(['plan', file, ...place], { cwd: folder, now: null })).code).toBe(1)
    expect((await runCli(['apply', file, ...place, '--yes'], { cwd: folder, now: null })).out).toContain('5 to add')
    expect(await contentOf(admin)).toBe(before)
  })

  it('writes one request for each waiting BullMQ job to a file, and fails with SOURCE_BUSY if the BullMQ queue is not paused', async () => {
    const cutOver = new Date().toISOString()
    const folder = scratch.folder()
    const file = join(folder, 'waiting.ndjson')
    expect(await ask('--cut-over', cutOver, '--requests', file)).toMatchObject({
      code: 5,
      err: expect.stringMatching(/The queue mails is not paused.*SOURCE_BUSY, --requests/),
    })
    await queue.pause()
    const before = await contentOf(admin)
    const { out, err } = await ask('--cut-over', cutOver, '--requests', file)
    expect(err).toBe('')
    expect(await contentOf(admin)).toBe(before)
    expect(out).toContain('Its priority 500 becomes -10')
    expect(out).toContain('Its deduplication id one is not carried over')
    const requests = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const waiting = requests.filter(({ job }) => job === 'mails')
    expect(waiting.map(({ data }) => data.name).sort()).toEqual([
      'late',
      'later',
      'single',
      'urgent',
      'welcome',
      'welcome',
    ])
    expect(waiting.find(({ key }) => key === 'own-id')).toEqual({
      job: 'mails',
      key: 'own-id',
      data: { name: 'welcome', data: { to: 'ann' } },
      overrides: {
        taskTimeout: 3_600_000,
        executionTimeout: 3 * 3_600_000 + 10_000,
        retryPolicy: { maxRetries: 2, retryInterval: 5000 },
      },
    })
    expect(waiting.find(({ data }) => data.name === 'urgent').priority).toBe(-1)
    const { key: keyOfLater } = waiting.find(({ data }) => data.name === 'later')
    expect(keyOfLater).toMatch(new RegExp(`^${prefix}:mails:\\d+$`))
    const later = await queue.getJob(keyOfLater.slice(`${prefix}:mails:`.length))
    expect(Date.parse(waiting.find(({ data }) => data.name === 'later').at)).toBe(
      (later?.timestamp as number) + 3_600_000,
    )

    // A crash may interrupt `trigger-many` after any request. So this test first triggers two requests, and then all requests:
    // the second call creates only the missing runs.
    const place = ['-s', 'sqlite:jobs.db', '--owner', 'moved']
    const storage = sqliteStorage({ file: join(folder, 'jobs.db') })
    await ask('--output', join(folder, 'jobs.json'))
    await runCli(['apply', 'jobs.json', ...place, '--yes'], { cwd: folder, now: null })
    const trigger = async (name: string) =>
      JSON.parse(
        (await runCli(['trigger-many', name, '-s', 'sqlite:jobs.db', '--json'], { cwd: folder, now: null })).out,
      )
    const { writeFileSync } = await import('node:fs')
    writeFileSync(
      join(folder, 'first.ndjson'),
      requests
        .slice(0, 2)
        .map((request) => JSON.stringify(request))
        .join('\n'),
    )
    expect(await trigger('first.ndjson')).toEqual({ created: 2, existed: 0, skipped: 0, failed: [] })
    expect(await trigger('waiting.ndjson')).toEqual({
      created: requests.length - 2,
      existed: 2,
      skipped: 0,
      failed: [],
    })
    const ran: unknown[] = []
    const scheduler = createScheduler({
      storage,
      handlers: { mails: async ({ input, data }) => void ran.push(input ?? data) },
      logger: silentLogger,
    })
    const finished = new Promise<void>((resolve) => {
      scheduler.on('occurrence.finished', () => ran.length >= requests.length - 1 && resolve())
    })
    await scheduler.start()
    await finished
    await scheduler.shutdown()
    expect(ran.length).toBe(requests.length - 1)
    await queue.resume()
  })

  it('writes a request for each slot before the cut-over from BullMQ to Jobistemer, and writes no request for later slots', async () => {
    await queue.pause()
    const next = await nextOf(queue)
    const file = join(scratch.folder(), 'waiting.ndjson')
    // `now` is the clock of the command `import`: it shows 1 s after the cut-over.
    const cutOver = next + 5 * periodMs
    const now = { ...systemClock, now: () => cutOver + 1000 }
    const { err } = await runCli(
      [
        'import',
        'bullmq',
        '--from',
        server.url,
        '--source-prefix',
        prefix,
        '--cut-over',
        new Date(cutOver).toISOString(),
        '--requests',
        file,
      ],
      { now, cwd: process.cwd() },
    )
    expect(err).toBe('')
    const slots = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ job }) => job === 'mails/poll')
    expect(slots.map(({ key }) => key)).toEqual([0, 1, 2, 3, 4].map((n) => `repeat:poll:${next + n * periodMs}`))
    await queue.resume()
  })

  // BullMQ 5 takes seconds to compute the instants, and compare.test.ts compares instants of it in `npm test`.
  it.runIf(isThorough || library === 'bullmq')(
    'compares, with --compare, a year of instants of each imported job with the instants that BullMQ computes',
    async () => {
      const { code, out, err } = await ask('--compare', '--json')
      expect({ code, err }).toEqual({ code: 0, err: '' })
      const { comparisons } = JSON.parse(out)
      expect(comparisons).toHaveLength(4)
      for (const { equal } of comparisons) expect(equal).toBeGreaterThan(9)
    },
  )
})

it('jobistemer import reads repeatable jobs of BullMQ 5 and earlier, and their data from their next BullMQ jobs', async () => {
  const queue = new bullmq5.Queue('old', { connection: { url: server.url }, prefix: 'legacy' })
  await queue.add('report', { day: 1 }, { repeat: { pattern: '15 3 * * *', tz: 'UTC', limit: 5 }, attempts: 2 })
  await queue.add('tick', { n: 1 }, { repeat: { every: 60_000 } })
  // BullMQ before 3.0 stores a repeatable job only as a member of a sorted set, without a hash.
  await admin.zadd('legacy:old:repeat', Date.UTC(year, 0, 1, 9), 'ancient:::Europe/Berlin:0 10 * * *')
  const before = await contentOf(admin)
  const { out, err } = await runCli(['import', 'bullmq', '--from', server.url, '--source-prefix', 'legacy', '--json'], {
    now: null,
    cwd: process.cwd(),
  })
  expect(err).toBe('')
  expect(await contentOf(admin)).toBe(before)
  const { jobs, notes } = JSON.parse(out)
  const schedules = jobs.map(({ schedule }: { schedule: object }) => schedule)
  expect(schedules).toContainEqual({
    type: 'cron',
    expression: '15 3 * * *',
    timezone: 'UTC',
    end: expect.stringMatching(/T03:15:00/),
  })
  expect(schedules).toContainEqual({ type: 'cron', expression: '0 10 * * *', timezone: 'Europe/Berlin' })
  expect(schedules).toContainEqual({
    type: 'iso8601',
    interval: expect.stringMatching(/^R\/.*:00\.000Z\/PT60S$/),
    timezone: 'UTC',
  })
  expect(notes).toContainEqual(
    expect.objectContaining({
      origin: expect.stringContaining('ancient'),
      text: expect.stringContaining('its data are unknown'),
    }),
  )
  await queue.close()
})

describe.each(['bullmq', 'bullmq-5'] as const)('jobistemer import from a queue of the library %s', (library) => {
  const prefix = `q-${library}`
  const connection = () => ({ url: server.url })
  const open = (name: string): Queue =>
    library === 'bullmq'
      ? (new bullmq6.Queue(name, { connection: connection(), prefix }) as unknown as Queue)
      : (new bullmq5.Queue(name, { connection: connection(), prefix }) as unknown as Queue)
  const ask = async (...argv: string[]) => {
    const file = join(scratch.folder(), 'jobs.json')
    const place = ['--from', server.url, '--source-prefix', prefix, '--zone', 'America/New_York', '--output', file]
    const { out, err } = await runCli(['import', 'bullmq', ...place, '--json', ...argv], {
      now: null,
      cwd: process.cwd(),
    })
    expect(err).toBe('')
    const { jobs } = JSON.parse(readFileSync(file, 'utf8')) as { readonly jobs: readonly Record<string, unknown>[] }
    return { ...JSON.parse(out), jobs } as {
      readonly jobs: readonly Record<string, unknown>[]
      readonly notes: readonly { readonly origin: string; readonly text: string }[]
      readonly comparisons: readonly { readonly differences: readonly unknown[] }[] | null
    }
  }

  it('lets a schedule start at the instant that BullMQ has computed, and an attempt retry after each delay', async () => {
    const queue = open('starts')
    await queue.upsertJobScheduler(
      'midnight',
      { pattern: '0 0 * * *', tz: 'UTC', startDate: `${year}-06-01T00:00:00Z` },
      { name: 'a', opts: { attempts: 10, backoff: { type: 'exponential', delay: 60_000 } } },
    )
    const next = (await queue.getJobSchedulers())[0]?.next as number
    const { jobs, comparisons } = await ask('--queue', 'starts', '--compare')
    const job = jobs.find(({ name }) => name === 'starts/midnight')
    expect(job).toMatchObject({
      schedule: { start: new Date(next).toISOString() },
      // The delays are 60 s, 120 s and so on up to 256 min. Each of the 10 attempts has 1 h.
      retryPolicy: { maxRetries: 9, retryInterval: 60_000, backoffFactor: 2, maxInterval: 256 * 60_000 },
      taskTimeout: 3_600_000,
      executionTimeout: 10 * 3_600_000 + 511 * 60_000,
      tasks: [{ data: { name: 'a', data: {} } }],
    })
    expect(comparisons).toEqual([expect.objectContaining({ differences: [] })])
    await queue.close()
  })

  it('names a schedule whose next instant differs, a paused queue, and expressions that cron-parser reads in another way', async () => {
    const queue = open('notes')
    await queue.upsertJobScheduler('zoneless', { pattern: '0 2 * * *' }, { name: 'a' })
    await queue.upsertJobScheduler('days', { pattern: '0 0 */1 * 1', tz: 'UTC' }, { name: 'a' })
    await queue.upsertJobScheduler('steps', { pattern: '0 0 * * MON/2', tz: 'UTC' }, { name: 'a' })
    await queue.upsertJobScheduler('thirds', { pattern: '0 0 * * 2/3', tz: 'UTC' }, { name: 'a' })
    await queue.upsertJobScheduler('named', { pattern: '0 0 * * TUE/2', tz: 'UTC' }, { name: 'a' })
    await queue.upsertJobScheduler('now', { pattern: '0 0 1 1 *', tz: 'UTC', immediately: true }, { name: 'a' })
    await queue.pause()
    const { jobs, notes } = await ask('--queue', 'notes')
    const texts = notes.map(({ origin, text }) => `${origin}: ${text}`).join('\n')
    expect(texts).toContain('queue notes: The queue is paused in BullMQ.')
    expect(texts).toMatch(/scheduler zoneless: Its next instant in the source is .*T02:00:00\.000Z, and in Jobistemer/)
    expect(texts).toContain(
      'scheduler days: Versions of cron-parser differ on a day field that lists every day: */1 and 1.',
    )
    expect(jobs.find(({ name }) => name === 'notes/steps')).toMatchObject({
      schedule: { expression: '0 0 * * MON-7/2' },
    })
    const sunday = 'Versions of cron-parser differ on Sunday for a step of weekdays'
    expect(texts).toContain(`scheduler thirds: ${sunday}: 2/3.`)
    expect(texts).toContain(`scheduler named: ${sunday}: TUE/2.`)
    expect(texts).not.toContain('scheduler steps')
    expect(texts).not.toContain('scheduler now')
    await queue.close()
  })

  it('writes at most 1,000 slots of a scheduler that BullMQ has not run for long as requests, and reports the rest', async () => {
    const queue = open('stopped')
    await queue.upsertJobScheduler('often', { every: 1000 }, { name: 'a' })
    await queue.pause()
    const cutOver = Date.now() + 3_600_000
    const file = join(scratch.folder(), 'waiting.ndjson')
    const place = ['--from', server.url, '--source-prefix', prefix, '--queue', 'stopped', '--json']
    const handOver = ['--cut-over', new Date(cutOver).toISOString(), '--requests', file]
    const now = { ...systemClock, now: () => cutOver + 1000 }
    const { out, code } = await runCli(['import', 'bullmq', ...place, ...handOver], { now, cwd: process.cwd() })
    expect(code).toBe(1)
    const requests = readFileSync(file, 'utf8').trim().split('\n')
    expect(requests).toHaveLength(1001)
    expect(JSON.parse(requests[1000] as string).data).toEqual({ name: 'a', data: {} })
    expect(JSON.parse(out).notes).toContainEqual({
      origin: 'queue stopped, scheduler often',
      kind: 'left_out',
      text: expect.stringMatching(
        /^BullMQ has run no job of it since .* Its slots from .* to the cut-over are left out\.$/,
      ),
    })
    await queue.close()
  })
})

it('jobistemer import bullmq writes the waiting jobs of a queue whose scheduler has a pattern of its own', async () => {
  const strategy = async (now: number) => now + 3_600_000
  const settings = { repeatStrategy: strategy }
  const queue = new bullmq6.Queue('moon', { connection: { url: server.url }, prefix: 'own', settings })
  await queue.upsertJobScheduler('tides', { pattern: 'every full moon', limit: 3 }, { name: 'a' })
  await queue.add('waits', {})
  await queue.pause()
  const folder = scratch.folder()
  const place = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'own', '--json']
  const { code, out } = await runCli(place, { now: null, cwd: process.cwd() })
  expect(code).toBe(1)
  expect(JSON.parse(out).notes).toContainEqual(
    expect.objectContaining({ kind: 'left_out', origin: 'queue moon, scheduler tides' }),
  )
  const handOver = ['--cut-over', new Date().toISOString(), '--requests', join(folder, 'waiting.ndjson')]
  expect((await runCli([...place, ...handOver], { now: null, cwd: process.cwd() })).err).toBe('')
  expect(readFileSync(join(folder, 'waiting.ndjson'), 'utf8')).toContain('"waits"')
  await queue.close()
})

it('a waiting slot of a BullMQ scheduler that ends before the cut-over becomes a request for the job of its queue', async () => {
  const queue = new bullmq6.Queue('mails', { connection: { url: server.url }, prefix: 'ends' })
  await queue.upsertJobScheduler('once', { every: 3_600_000, limit: 1 }, { name: 'n', data: { a: 1 } })
  await queue.upsertJobScheduler('long', { every: 3_600_000 }, { name: 'n', data: { a: 2 } })
  await queue.pause()
  const folder = scratch.folder()
  const file = join(folder, 'waiting.ndjson')
  const place = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'ends', '--json']
  // BullMQ has set both slots to the instant of their calls. The cut-over must be later.
  await new Promise<void>((resolve) => systemClock.setTimer(50, resolve))
  const output = join(folder, 'jobs.json')
  const handOver = ['--cut-over', new Date().toISOString(), '--requests', file, '-o', output]
  const { out } = await runCli([...place, ...handOver], { now: null, cwd: process.cwd() })
  const origin = 'queue mails, scheduler once'
  expect(JSON.parse(out).notes).toContainEqual(expect.objectContaining({ kind: 'left_out', origin }))
  const requests = readFileSync(file, 'utf8').trim().split('\n')
  expect(
    requests
      .map((line) => JSON.parse(line))
      .map(({ job, data }) => [job, data])
      .sort(),
  ).toEqual([
    ['mails', { name: 'n', data: { a: 1 } }],
    ['mails/long', { name: 'n', data: { a: 2 } }],
  ])
  const { jobs } = JSON.parse(readFileSync(output, 'utf8'))
  expect(jobs.map(({ name }: { name: string }) => name)).toEqual(['mails', 'mails/long'])
  await queue.close()
})

it('jobistemer import bullmq reads the option utc of BullMQ 5, and ignores queues of a longer prefix', async () => {
  const queue = new bullmq5.Queue('utc', { connection: { url: server.url }, prefix: 'short' })
  await queue.upsertJobScheduler('nightly', { pattern: '0 2 * * *', utc: true } as object, { name: 'a' })
  const other = new bullmq5.Queue('other', { connection: { url: server.url }, prefix: 'short:eu' })
  await other.add('a', {})
  const argv = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'short', '--zone', 'Asia/Tokyo', '--json']
  const { jobs, notes } = JSON.parse((await runCli(argv, { now: null, cwd: process.cwd() })).out)
  expect(jobs.map(({ name, schedule }: { name: string; schedule: object | null }) => [name, schedule])).toEqual([
    ['utc', null],
    ['utc/nightly', { type: 'cron', expression: '0 2 * * *', timezone: 'UTC' }],
  ])
  expect(notes.filter(({ origin }: { origin: string }) => origin.includes('nightly'))).toEqual([])
  await Promise.all([queue.close(), other.close()])
})

it.each([
  [['--from', 'redis://localhost:1'], 3, 'SOURCE_UNREACHABLE', '--from', 'Give the address of the server'],
  [['--from', 'localhost'], 2, 'INVALID_SOURCE', '--from', 'redis://localhost:6379'],
  [[], 2, 'INVALID_SOURCE', '--from', 'JOBISTEMER_IMPORT_FROM'],
])(
  'jobistemer import bullmq with the arguments %j exits with the exit code %i and the error %s',
  async (argv, code, errorCode, field, remedy) => {
    const { err, ...ran } = await runCli(['import', 'bullmq', ...argv, '--json'], { now: null, cwd: process.cwd() })
    expect(ran.code).toBe(code)
    expect(JSON.parse(err).error).toMatchObject({ code: errorCode, field, remedy: expect.stringContaining(remedy) })
  },
)

it.each([
  ['bullmq', 'redis://:s3c#ret@localhost:1/0'],
  ['bullmq', 'redis://:s3c%ret@localhost:1/0'],
  ['pg-boss', 'postgres://joe:s3c%ret@localhost:1/app'],
  ['pg-boss', 'postgres://joe:s3cret@localhost:99999/app'],
])('jobistemer import %s --from %s exits with 3, and does not print the password', async (source, from) => {
  const argv = ['import', source, '--from', from, '--json']
  const { code, err } = await runCli(argv, { now: null, cwd: process.cwd() })
  expect(JSON.parse(err).error).toMatchObject({ code: 'SOURCE_UNREACHABLE', field: '--from' })
  expect(code).toBe(3)
  expect(err).not.toMatch(/s3c|ret@/)
})

it('jobistemer import bullmq leaves no file behind if the BullMQ queue is not paused', async () => {
  await admin.hset('lively:mails:meta', 'opts.maxLenEvents', '10000')
  const folder = scratch.folder()
  const handOver = ['--cut-over', new Date().toISOString(), '--requests', join(folder, 'waiting.ndjson')]
  const argv = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'lively', ...handOver]
  expect(await runCli(argv, { now: null, cwd: process.cwd() })).toMatchObject({ code: 5 })
  expect(readdirSync(folder)).toEqual([])
})

it('jobistemer import bullmq of a missing queue exits with 2 and names the existing queues', async () => {
  await admin.hset('some:mails:meta', 'opts.maxLenEvents', '10000')
  const argv = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'some', '--queue', 'males']
  expect(await runCli(argv, { now: null, cwd: process.cwd() })).toMatchObject({
    code: 2,
    err: expect.stringContaining('The queues are mails.'),
  })
})

it('jobistemer import bullmq of a damaged job record exits with 2 and names the record', async () => {
  await admin.hset('damaged:mails:meta', 'paused', '1')
  await admin.lpush('damaged:mails:wait', '7')
  await admin.hset('damaged:mails:7', { name: 'mail', data: '{"to":', opts: '{}' })
  const handOver = ['--cut-over', new Date().toISOString(), '--requests', join(scratch.folder(), 'waiting')]
  const argv = ['import', 'bullmq', '--from', server.url, '--source-prefix', 'damaged', ...handOver, '--json']
  const { code, err } = await runCli(argv, { now: null, cwd: process.cwd() })
  expect(code).toBe(2)
  expect(JSON.parse(err).error).toMatchObject({
    code: 'SOURCE_DAMAGED',
    message: expect.stringContaining('damaged:mails:7'),
  })
})
