import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScheduler, defineJob, JobistemerError, type TaskContext } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { at, createWorld, type World } from '../support/world.ts'

function failing(maxRetries: number) {
  const run = (): never => {
    throw new Error('disk full', { cause: new Error('no space left') })
  }
  const retryPolicy = { maxRetries, retryInterval: { seconds: 1 }, backoffFactor: 1 }
  return defineJob({
    name: 'report',
    schedule: everySeconds(10, +at(10)),
    tasks: [{ name: 'write', run, retryPolicy }],
  })
}

async function runFor(seconds: number, options: Omit<Parameters<typeof createScheduler>[0], 'storage' | 'clock'>) {
  const clock = virtualClock(at(0))
  const scheduler = createScheduler({ ...options, storage: memoryStorage(), clock })
  await scheduler.start()
  await clock.advance({ seconds })
  await scheduler.shutdown()
}

describe('the log of a scheduler', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('has a warning for each attempt that is retried, and an error for the last attempt', async () => {
    const { lines, logger } = collectingLogger()
    await runFor(20, { jobs: [failing(1)], logger })
    const failures = lines.filter(({ level }) => level === 'warn' || level === 'error')
    expect(failures).toMatchObject([
      {
        level: 'warn',
        message: 'attempt failed',
        job: 'report',
        task: 'write',
        attempt: 1,
        err: { message: 'disk full' },
      },
      {
        level: 'error',
        message: 'task failed',
        job: 'report',
        task: 'write',
        attempt: 2,
        err: { message: 'disk full' },
      },
    ])
  })

  it('is written to stderr by default, has lines only for failures, and contains each error with its stack and its cause', async () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await runFor(20, { jobs: [failing(0)] })
    const text = written.mock.calls.map(([line]) => String(line)).join('')
    expect(text).toMatch(/^\S+Z error jobistemer: task failed job=report task=write attempt=1 occurrenceId=occ_\S+ /)
    expect(text).toMatch(/Error: disk full\n {6}at .*logging\.test/)
    expect(text).toContain('caused by Error: no space left')
    expect(written).toHaveBeenCalledTimes(1)
  })

  it('names the value `undefined` if a handler throws it', async () => {
    const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const run = () => Promise.reject()
    await runFor(15, {
      jobs: [defineJob({ name: 'report', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'write', run }] })],
    })
    expect(spy.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(/error jobistemer: task failed job=report .*\n {2}Error: undefined\n$/),
    ])
  })

  it('contains the job, occurrence, task and attempt for lines of a handler', async () => {
    const { lines, logger } = collectingLogger()
    const run = (context: TaskContext) => context.logger.info({ rows: 7 }, 'written')
    const job = defineJob({ name: 'report', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'write', run }] })
    await runFor(20, { jobs: [job], logger })
    const [line] = lines.filter(({ message }) => message === 'written')
    const occurrenceId = expect.stringMatching(/^occ_/)
    expect(line).toEqual({
      level: 'info',
      message: 'written',
      job: 'report',
      occurrenceId,
      task: 'write',
      attempt: 1,
      rows: 7,
    })
  })

  it('stops neither the runs nor the process if its logger throws', async () => {
    const throws = (): never => {
      throw new Error('the log is full')
    }
    const logger = { debug: throws, info: throws, warn: throws, error: throws }
    let runs = 0
    const run = () => {
      runs++
    }
    const well = defineJob({ name: 'well', schedule: everySeconds(10), tasks: [{ name: 'count', run }] })
    await runFor(60, { jobs: [failing(3), well], logger })
    expect(runs).toBe(6)
  })
})

/** Defines a job whose runs take `seconds`. */
function slow(world: World, seconds: number, settings: Partial<Parameters<typeof defineJob>[0]> = {}) {
  return defineJob({
    name: 'slow',
    schedule: everySeconds(10),
    ...settings,
    tasks: [{ name: 'work', taskTimeout: { hours: 9 }, run: ({ signal }) => world.clock.sleep({ seconds }, signal) }],
  })
}

const earlierRun = 'slots were skipped: an earlier run of the job is pending or running'

describe('the log of a scheduler has one line', () => {
  it('for each decision about missed slots', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const jobs = () => [
      slow(world, 0, { name: 'last' }),
      slow(world, 0, { name: 'all', schedule: everySeconds(60), recoveryStrategy: 'execute_all' }),
    ]
    const first = await world.start({ jobs: jobs() })
    await world.clock.advanceTo(at(15))
    await world.shutdown(first)
    await world.clock.advanceTo(at(305))
    await world.start({ jobs: jobs(), logger })
    await world.clock.advanceTo(at(309))
    const missed = { level: 'warn', message: 'slots were missed' }
    const told = loud().filter(({ message }) => message === missed.message)
    // Each job has one line, and the order of the lines varies.
    expect(told).toHaveLength(2)
    expect(told).toEqual(
      expect.arrayContaining([
        { ...missed, job: 'last', strategy: 'execute_last', from: at(20), to: at(240), missed: 23, toRun: 1 },
        { ...missed, job: 'all', strategy: 'execute_all', from: at(60), to: at(240), missed: 4, toRun: 4 },
      ]),
    )
  })

  it('for missed slots, but none for the slots of a paused job', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const first = await world.start({ jobs: [slow(world, 0)] })
    await first.pause('slow')
    await world.shutdown(first)
    await world.clock.advanceTo(at(305))
    await world.start({ jobs: [slow(world, 0)], logger })
    await world.clock.advanceTo(at(325))
    expect(loud()).toEqual([])
  })

  it('for the first slot that is skipped because of an earlier run, and then one line for the skipped slots of each minute', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    await world.start({ jobs: [slow(world, 134)], logger })
    await world.clock.advanceTo(at(25))
    const skipped = { level: 'warn', message: earlierRun, job: 'slow' }
    const lines: object[] = [{ ...skipped, count: 1, from: at(20), to: at(20) }]
    expect(loud()).toEqual(lines)
    await world.clock.advanceTo(at(85))
    lines.push({ ...skipped, count: 5, from: at(30), to: at(70) })
    expect(loud()).toEqual(lines)
    await world.clock.advanceTo(at(145))
    lines.push({ ...skipped, count: 6, from: at(80), to: at(130) })
    expect(loud()).toEqual(lines)
  })

  it('at a shutdown for skipped slots that are not logged yet', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const scheduler = await world.start({ jobs: [slow(world, 1000)], logger })
    await world.clock.advanceTo(at(45))
    await world.shutdown(scheduler)
    expect(loud().map(({ count }) => count)).toEqual([1, 2])
  })

  it('for the skipped slots of each job, even if the cause is a full queue', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const full = slow(world, 1000, { name: 'full', overlapPolicy: 'queue', maxQueued: 1 })
    await world.start({ jobs: [full, slow(world, 1000)], logger })
    await world.clock.advanceTo(at(65))
    expect(loud().map(({ job, message, count, from }) => [job, message, count, from])).toEqual([
      ['slow', earlierRun, 1, at(20)],
      ['full', 'slots were skipped: the queue of the job is full', 1, at(30)],
    ])
  })

  it('for waiting runs that newer runs displace', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const job = slow(world, 1000, { schedule: everySeconds(3600), overlapPolicy: 'queue_one' })
    const scheduler = await world.start({ jobs: [job], logger })
    for (let n = 1; n <= 4; n++) await scheduler.trigger('slow')
    await world.clock.advanceTo(at(65))
    const displaced = {
      level: 'warn',
      message: 'waiting runs were canceled: a newer run of the job has displaced them',
    }
    expect(loud()).toEqual([
      { ...displaced, job: 'slow', count: 1, from: expect.any(Date), to: expect.any(Date) },
      { ...displaced, job: 'slow', count: 1, from: expect.any(Date), to: expect.any(Date) },
    ])
  })

  it('with the first and the last instant of displaced runs, although runs of a higher priority wait first', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const job = (overlapPolicy: 'queue' | 'queue_one') =>
      slow(world, 1000, { schedule: everySeconds(3600), overlapPolicy })
    const scheduler = await world.start({ jobs: [job('queue')], logger })
    for (const priority of [0, 1, 2, 3]) {
      await scheduler.trigger('slow', { priority })
      await world.clock.advance({ seconds: 1 })
    }
    await scheduler.update('slow', { overlapPolicy: 'queue_one' })
    await scheduler.trigger('slow', { priority: 9 })
    await world.clock.advanceTo(at(65))
    const lines = loud().filter(({ message }) => message.startsWith('waiting runs'))
    expect(lines.map(({ count, from, to }) => [count, from, to])).toEqual([
      [1, expect.any(Date), expect.any(Date)],
      [2, at(1), at(2)],
    ])
  })

  it('for a run that exceeds its execution timeout', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    await world.start({ jobs: [slow(world, 1000, { schedule: everySeconds(60), executionTimeout: 5000 })], logger })
    await world.clock.advanceTo(at(70))
    const occurrence = { job: 'slow', occurrenceId: expect.stringMatching(/^occ_/), scheduledAt: at(60) }
    const message = 'run failed: its executionTimeout has passed'
    expect(loud()).toEqual([{ level: 'error', message, ...occurrence, reason: 'execution_timeout' }])
  })

  it('for a run under `onInterrupted: fail` that the shutdown of its node interrupts', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const scheduler = await world.start({ jobs: [slow(world, 1000, { onInterrupted: 'fail' })], logger })
    await world.clock.advanceTo(at(12))
    await world.shutdown(scheduler)
    const occurrence = { job: 'slow', occurrenceId: expect.stringMatching(/^occ_/), scheduledAt: at(10) }
    const message = 'run failed: its node has interrupted it'
    expect(loud()).toEqual([{ level: 'error', message, ...occurrence, reason: 'shutdown' }])
  })

  it('at the level `warn` for a scheduler that has stopped although handlers still run', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const job = defineJob({
      name: 'deaf',
      schedule: everySeconds(10),
      tasks: [{ name: 'work', run: () => new Promise(() => {}) }],
    })
    const scheduler = await world.start({ jobs: [job], nodeId: 'node', logger })
    await world.clock.advanceTo(at(12))
    await world.shutdown(scheduler)
    expect(loud()).toEqual([{ level: 'warn', message: 'scheduler stopped', node: 'node', abandoned: 1 }])
  })

  it('for a reap, on the node that reaps the run, and one line for the loss of this run, on its former owner', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const job = () =>
      slow(world, 1000, { schedule: everySeconds(10, +at(10)), executionTimeout: { minutes: 1 }, maxRescues: 1 })
    const owner = await world.start({ jobs: [job()], nodeId: 'owner', logger })
    await world.clock.advanceTo(at(15))
    world.freeze(owner)
    const reaper = await world.start({ jobs: [job()], nodeId: 'reaper', logger })
    await world.clock.advanceTo(at(95))
    const occurrence = { job: 'slow', occurrenceId: expect.stringMatching(/^occ_/), scheduledAt: at(10) }
    const reaped = { level: 'warn', message: 'occurrence reaped: it is tried again', action: 'retry' }
    const lines: object[] = [{ ...occurrence, ...reaped, reason: 'execution_timeout' }]
    expect(loud()).toEqual(lines)
    await world.thaw(owner)
    await world.clock.advance({ seconds: 1 })
    const lost = { level: 'warn', message: 'occurrence lost: another node owns it', fencingToken: 1 }
    lines.push({ ...occurrence, ...lost })
    expect(loud().filter(({ message }) => message.startsWith('occurrence'))).toEqual(lines)
    world.crash(owner)
    world.crash(reaper)
    await world.start({ jobs: [job()], nodeId: 'last', logger })
    await world.clock.advance({ minutes: 2 })
    expect(loud().at(-1)).toMatchObject({
      ...occurrence,
      level: 'error',
      message: 'occurrence reaped: it has failed',
      action: 'fail',
      reason: 'execution_timeout',
    })
  })

  it('for the start of a storage outage, and one line for its end with duration and number of failed calls', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const intercepted = new InterceptedStorage(world.connect())
    await world.start({ jobs: [slow(world, 0)], storage: intercepted.storage, logger })
    await world.clock.advanceTo(at(5))
    const through = intercepted.intercept
    let failures = 0
    intercepted.intercept = async ({ operation }) => {
      failures++
      throw new JobistemerError('STORAGE_BUSY', { message: `${operation} failed.` })
    }
    await world.clock.advanceTo(at(45))
    intercepted.intercept = through
    await world.clock.advanceTo(at(55))
    expect(failures).toBeGreaterThan(20)
    const lines = loud().filter(({ message }) => message.startsWith('the storage'))
    expect(lines).toEqual([
      {
        level: 'error',
        message: 'the storage fails: retrying until it answers',
        operation: expect.any(String),
        err: expect.any(Error),
      },
      { level: 'warn', message: 'the storage answers again', forMs: expect.any(Number), failures },
    ])
    expect(lines[1]?.forMs).toBeGreaterThan(35_000)
    expect(lines[1]?.forMs).toBeLessThan(50_000)
  })

  it('for each error code and each minute while the storage fails only some calls', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const intercepted = new InterceptedStorage(world.connect())
    await world.start({ jobs: [slow(world, 0)], storage: intercepted.storage, logger })
    let code: 'STORAGE_BUSY' | 'STORAGE_FULL' = 'STORAGE_BUSY'
    intercepted.intercept = async ({ operation, proceed }) => {
      if (operation === 'createOccurrences') throw new JobistemerError(code, { message: 'No.' })
      return proceed()
    }
    await world.clock.advanceTo(at(100))
    // The node logs a lasting storage error once a minute. The node logs a new error code at once.
    code = 'STORAGE_FULL'
    await world.clock.advanceTo(at(200))
    const said = loud().map(({ message, err }) => `${(err as { code: string }).code}: ${message.split(':')[0]}`)
    expect(said).toEqual([
      'STORAGE_BUSY: the storage fails',
      'STORAGE_BUSY: calls to the storage still fail',
      'STORAGE_FULL: the storage fails',
      'STORAGE_FULL: calls to the storage still fail',
    ])
  })

  it('for each minute of a long storage outage, with its duration', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const intercepted = new InterceptedStorage(world.connect())
    await world.start({ jobs: [slow(world, 0)], storage: intercepted.storage, logger })
    await world.clock.advanceTo(at(5))
    const through = intercepted.intercept
    intercepted.intercept = async () => {
      throw new JobistemerError('STORAGE_BUSY', { message: 'The server is away.' })
    }
    await world.clock.advanceTo(at(5 + 600))
    intercepted.intercept = through
    const lines = loud().filter(({ message }) => message.startsWith('calls to the storage still fail'))
    expect(lines.length).toBeGreaterThanOrEqual(8)
    expect(lines.length).toBeLessThanOrEqual(10)
    for (const [index, { level, forMs, operation, failures }] of lines.entries()) {
      expect({ level, operation, failures }).toEqual({
        level: 'error',
        operation: expect.any(String),
        failures: expect.any(Number),
      })
      expect(forMs).toBeGreaterThanOrEqual((index + 1) * 60_000)
      expect(forMs).toBeLessThanOrEqual((index + 1) * 66_000)
    }
  })

  it('for each minute of an outage that a dropped table causes', async () => {
    const world = createWorld()
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-dropped-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'jobs.db')
    const storage = sqliteStorage({ file })
    onTestFinished(() => storage.close())
    const { logger, loud } = collectingLogger()
    await world.start({ jobs: [slow(world, 0)], storage, logger })
    await world.clock.advanceTo(at(15))
    const dropping = new Database(file)
    dropping.exec('DROP TABLE running')
    dropping.close()
    await world.clock.advanceTo(at(15 + 310))
    const said = loud().map(({ message }) => message.split(':')[0])
    expect(said).toEqual(['the storage fails', ...Array(5).fill('calls to the storage still fail')])
  })

  it('for a job whose handler the scheduler lacks, and no further line for later runs of this job', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const job = () =>
      defineJob({ name: 'letter', schedule: everySeconds(10), tasks: [{ name: 'send', handler: 'sned' }] })
    const able = await world.start({
      jobs: [job(), slow(world, 1000)],
      handlers: { sned: () => 1 },
      maxConcurrentJobs: 1,
    })
    await world.start({ jobs: [job()], handlers: { send: () => 1 }, logger })
    await world.clock.advance({ minutes: 3 })
    expect((await able.occurrences({ job: 'letter' })).items.some(({ state }) => state === 'pending')).toBe(true)
    expect(loud().filter(({ missing }) => missing !== undefined)).toEqual([
      {
        level: 'warn',
        message: 'this node has no handler for the job; other nodes will run it',
        job: 'letter',
        missing: ['sned'],
      },
    ])
  })

  it('for each version of a definition that a node follows in place of its own definition', async () => {
    const world = createWorld()
    const older = collectingLogger()
    const newer = collectingLogger()
    const old = await world.start({ jobs: [slow(world, 0)], nodeId: 'old', logger: older.logger })
    const young = await world.start({
      jobs: [slow(world, 0, { schedule: everySeconds(20) })],
      nodeId: 'young',
      logger: newer.logger,
    })
    await world.clock.advanceTo(at(65))
    const follows = {
      level: 'warn',
      message: 'this node runs the job by the stored definition, which differs from its own',
      job: 'slow',
      reason: 'newer_build',
      remedy:
        'This is normal in a rolling deploy. To go back, shut down the nodes of the other build, or use update().',
    }
    expect(older.loud()).toEqual([{ ...follows, version: 2 }])
    expect(newer.loud()).toEqual([])
    await young.update('slow', { schedule: everySeconds(30) })
    await world.clock.advanceTo(at(125))
    expect(older.loud().slice(1)).toEqual([{ ...follows, version: 3 }])
    expect(newer.loud()).toEqual([])
    await world.shutdown(old)
    // A node of the older build restarts while a node of the newer build lives. The restarted node follows the newer
    // definition from its start on.
    const again = collectingLogger()
    await world.start({ jobs: [slow(world, 0)], nodeId: 'old', logger: again.logger })
    await world.clock.advanceTo(at(185))
    expect(again.loud()).toEqual([{ ...follows, version: 3 }])
  })

  it('for a followed definition, but none for a definition that the scheduler itself stored by a windowed update', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const scheduler = await world.start({ jobs: [slow(world, 0)], logger })
    const policy = { type: 'windowed', from: at(30), to: at(60) } as const
    await scheduler.update('slow', { schedule: everySeconds(5) }, { policy })
    await world.clock.advanceTo(at(125))
    expect(loud()).toEqual([])
  })
})
