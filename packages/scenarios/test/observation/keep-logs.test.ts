import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, defineJob, type Scheduler, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Child } from '../support/child-process.ts'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

type Handler = (context: TaskContext<undefined>) => unknown

const schedule = everySeconds(10, +at(10))

const jobOf = (run: Handler, settings: object = { keepLogs: true }) =>
  defineJob({ name: 'job', schedule, ...settings, tasks: [{ name: 'work', run }] })

/**
 * Returns each attempt of the job's only run: its state, its kept log lines such as `'info copied'`, and the number of log
 * lines that were not kept.
 */
async function logsOf(scheduler: Scheduler) {
  const { tasks } = await onlyOccurrence(scheduler, 'job')
  return tasks.flatMap(({ attempts }) =>
    attempts.map(({ logs, droppedLogs, state }) => ({
      state,
      logs: logs.map(({ level, message }) => `${level} ${message}`),
      droppedLogs,
    })),
  )
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('with keepLogs the lines of a handler are stored with the attempt, and the logger receives them too', async () => {
    const world = createWorld(place)
    const { logger, lines } = collectingLogger()
    const run: Handler = async (context) => {
      context.logger.info({ rows: 3n }, 'copied')
      await world.clock.sleep(500)
      const { logger: own } = context
      own.debug({}, 'closed')
    }
    const scheduler = await world.start({ jobs: [jobOf(run)], logger })
    await world.clock.advanceTo(at(15))
    const { tasks } = await onlyOccurrence(scheduler, 'job')
    expect(tasks[0]?.attempts[0]).toMatchObject({
      logs: [
        { at: at(10), level: 'info', message: 'copied', fields: { rows: '3' }, isCut: false },
        { at: at(10.5), level: 'debug', message: 'closed', fields: null, isCut: false },
      ],
      droppedLogs: 0,
    })
    expect(lines).toContainEqual(expect.objectContaining({ message: 'copied', rows: 3n, task: 'work', attempt: 1 }))
  })

  it('the last lines of a running attempt are stored within a second, by about one storage call each second', async () => {
    const world = createWorld(place)
    const counted = new InterceptedStorage(world.connect())
    const run: Handler = async ({ logger }) => {
      for (let line = 1; line <= 200; line++) {
        await world.clock.sleep(25)
        logger.info({}, `line ${line}`)
      }
    }
    const job = jobOf(run, { keepLogs: { lines: 2 } })
    const scheduler = await world.start({ jobs: [job], storage: counted.storage })
    await world.clock.advanceTo(at(9))
    counted.reset()
    await world.clock.advanceTo(at(13.5))
    const [early] = await logsOf(scheduler)
    expect(early?.logs).toHaveLength(2)
    expect(early?.droppedLogs).toBeGreaterThan(90)
    await world.clock.advanceTo(at(20))
    expect(await logsOf(scheduler)).toEqual([
      { state: 'succeeded', logs: ['info line 199', 'info line 200'], droppedLogs: 198 },
    ])
    expect(counted.count('settle')).toBeLessThanOrEqual(6)
  })

  it('an attempt that fails, times out or is canceled keeps its last lines', async () => {
    const world = createWorld(place)
    const run: Handler = async ({ logger, attempt, sleep }) => {
      logger.warn({}, `try ${attempt}`)
      if (attempt === 1) throw new Error('no')
      try {
        await sleep({ seconds: 30 })
      } finally {
        logger.error({}, 'told to stop')
      }
    }
    const retryPolicy = { maxRetries: 2, retryInterval: 1000 }
    const job = jobOf(run, { keepLogs: true, retryPolicy, taskTimeout: 2000 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advanceTo(at(15))
    const { id } = await onlyOccurrence(scheduler, 'job')
    await scheduler.cancel(id)
    await world.clock.advanceTo(at(20))
    const own = (attempt: number) => [`warn try ${attempt}`, 'error told to stop']
    expect(await logsOf(scheduler)).toEqual([
      { state: 'failed', logs: ['warn try 1'], droppedLogs: 0 },
      { state: 'timed_out', logs: own(2), droppedLogs: 0 },
      { state: 'aborted', logs: own(3), droppedLogs: 0 },
    ])
  })

  it('the attempt of a dead owner keeps the lines that its handler logged until a second before the death', async () => {
    const world = createWorld(place)
    const run: Handler = async ({ logger, progress, attempt, sleep }) => {
      for (let line = 1; line <= 5; line++) {
        logger.info({}, `${attempt}.${line}`)
        progress(line / 5)
        await sleep({ seconds: 1 })
      }
    }
    const jobs = [jobOf(run)]
    const first = await world.start({ jobs, nodeId: 'one' })
    await world.clock.advanceTo(at(13.5))
    world.crash(first)
    const second = await world.start({ jobs, nodeId: 'one' })
    await world.clock.advanceTo(at(30))
    const [lost, last] = await logsOf(second)
    expect(lost).toMatchObject({ state: 'lost', logs: expect.arrayContaining(['info 1.1', 'info 1.2', 'info 1.3']) })
    const own = [1, 2, 3, 4, 5].map((line) => `info 2.${line}`)
    expect(last).toEqual({ state: 'succeeded', logs: own, droppedLogs: 0 })
    const { tasks } = await onlyOccurrence(second, 'job')
    expect(tasks[0]?.attempts[0]?.progress?.fraction).toBeGreaterThanOrEqual(0.6)
    expect(tasks[0]?.progress?.fraction).toBe(1)
  })
})

it.each([
  ['is off by default', {}, {}, 0],
  ['of the task overrides that of the job', { keepLogs: true }, { keepLogs: false }, 0],
  ['can be set on a task only', {}, { keepLogs: { lines: 3 } }, 3],
  ['keeps a hundred lines by default', { keepLogs: true }, {}, 100],
])(
  'the setting keepLogs decides how many lines of a handler are stored: the setting %s',
  async (_, ofJob, ofTask, kept) => {
    const world = createWorld()
    const run: Handler = ({ logger }) => {
      for (let line = 0; line < 150; line++) logger.info({}, 'a line')
    }
    const job = defineJob({ name: 'job', schedule, ...ofJob, tasks: [{ name: 'work', run, ...ofTask }] })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advanceTo(at(15))
    const [attempt] = await logsOf(scheduler)
    expect(attempt?.logs).toHaveLength(kept)
  },
)

it('a trigger with the override keepLogs keeps the logs of its run, and an update of keepLogs creates a new version', async () => {
  const world = createWorld()
  const scheduler = await world.start({ jobs: [jobOf(({ logger }) => logger.info({}, 'seen'), {})] })
  const { id } = await scheduler.trigger('job', { overrides: { keepLogs: true } })
  await world.clock.settle()
  const { tasks } = await scheduler.occurrence(id)
  expect(tasks[0]?.attempts[0]?.logs.map(({ message }) => message)).toEqual(['seen'])
  expect((await scheduler.update('job', { keepLogs: true })).version).toBe(2)
})

it('lines and progress that a process reported a second before it was ended by SIGKILL are stored', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-killed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'jobs.db')
  const child = new Child(new URL('../fixtures/telling-node.mjs', import.meta.url), { file })
  expect(await child.next()).toBe('told')
  child.kill('SIGKILL')
  await child.ended
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  onTestFinished(() => client.close().finally(() => storage.close()))
  const { items } = await client.occurrences({ job: 'work' })
  const [attempt] = items[0]?.tasks[0]?.attempts ?? []
  expect(attempt).toMatchObject({
    state: 'running',
    progress: { fraction: 0.25, message: 'copying' },
    logs: [{ level: 'info', message: 'copied', fields: { rows: 3 } }],
  })
})

/** Makes a storage that rejects a settle with more than `mostBytes` of task runs for one occurrence. */
function narrow(world: World, mostBytes: number) {
  return wrapStorage(world.connect(), {
    around(call) {
      if (call.method === 'settle' && call.request.items.some(({ runs }) => JSON.stringify(runs).length > mostBytes)) {
        throw new RangeError('too large')
      }
      return call.proceed()
    },
  })
}

describe('a run whose kept logs are too large for the storage', () => {
  const ticking = (world: World) =>
    defineJob({
      name: 'ticking',
      schedule: everySeconds(1),
      tasks: [{ name: 'work', run: () => world.clock.sleep(100) }],
    })

  it('completes without its logs, with its result and the number of dropped lines', async () => {
    const world = createWorld()
    const { logger, loud } = collectingLogger()
    const run: Handler = async (context) => {
      for (let line = 0; line < 100; line++) context.logger.info({}, 'x'.repeat(500))
      await world.clock.sleep(5000)
      context.logger.info({}, 'at its end')
      return 'r'.repeat(4000)
    }
    const jobs = [jobOf(run), ticking(world)]
    const scheduler = await world.start({ jobs, storage: narrow(world, 5000), logger })
    await world.clock.advanceTo(at(60))
    expect(await fates(scheduler, 'job')).toEqual(['10 completed'])
    const { tasks } = await onlyOccurrence(scheduler, 'job')
    expect(tasks[0]).toMatchObject({ result: 'r'.repeat(4000), attempts: [{ logs: [], state: 'succeeded' }] })
    expect(tasks[0]?.attempts[0]?.droppedLogs).toBeGreaterThanOrEqual(100)
    expect(loud().map(({ message }) => message)).toContain(
      'the storage rejected a step of this run: the run continues without its kept logs',
    )
  })

  it('fails if its result is too large even without the logs', async () => {
    const world = createWorld()
    const run: Handler = ({ logger }) => {
      logger.info({}, 'a line')
      return 'r'.repeat(6000)
    }
    const scheduler = await world.start({ jobs: [jobOf(run), ticking(world)], storage: narrow(world, 5000) })
    await world.clock.advanceTo(at(60))
    const { state, reason, finishedAt } = await onlyOccurrence(scheduler, 'job')
    expect({ state, reason }).toEqual({ state: 'failed', reason: 'storage_refused' })
    expect(secondsOf(finishedAt ?? 0)).toBeLessThan(60)
  })
})
