import { createScheduler, defineJob, isolatedHandler, type Isolation } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import {
  behaves,
  isolatedScene,
  isolations,
  lastAttempt,
  modules,
  resultOf,
  sharedCase,
} from '../support/isolated-scene.ts'
import { at, startMs } from '../support/world.ts'

function task(isolation: Isolation, kind: string, more: object = {}) {
  return { name: 'work', module: behaves, isolation, data: { kind, ...more } }
}

describe.each(isolations)('the handler of an isolated task that runs in a %s', (isolation) => {
  const shared = sharedCase(isolation)

  it('receives the same context as other handlers, and its node receives its progress and its log lines', async () => {
    const { run, scheduler, lines } = await isolatedScene(
      {
        job: [
          { name: 'first', run: () => ({ rows: 3 }) },
          { ...task(isolation, 'tells'), keepLogs: true },
        ],
      },
      {},
      { overlapPolicy: 'allow' },
    )
    await run('job', { page: 1 })
    const before = Date.now()
    const occurrence = await run('job', { page: 2 })
    const told = resultOf(occurrence) as Record<string, unknown>
    const second = occurrence.tasks[1]
    expect(told).toEqual({
      now: expect.any(Number),
      previousRun: 'completed',
      results: { first: { rows: 3 } },
      first: { rows: 3 },
      data: { kind: 'tells' },
      input: { page: 2 },
      job: { id: occurrence.jobId, name: 'job', version: 1 },
      occurrence: { id: occurrence.id, kind: 'trigger' },
      scheduledAt: occurrence.scheduledAt.toISOString(),
      startedAt: occurrence.startedAt?.toISOString(),
      latenessMs: Number(occurrence.startedAt) - Number(occurrence.scheduledAt),
      recovered: false,
      replayOf: null,
      backfill: null,
      span: null,
      fencingToken: occurrence.fencingToken,
      task: { id: second?.id, name: 'work' },
      taskRunId: second?.runId,
      attemptId: second?.attempts[0]?.id,
      attempt: 1,
    })
    expect(told.now).toBeGreaterThanOrEqual(before)
    expect(told.now).toBeLessThanOrEqual(Date.now())
    expect(second?.attempts[0]?.progress).toMatchObject({ fraction: 0.25, message: 'reading' })
    expect(second?.attempts[0]?.logs?.[0]).toMatchObject({
      level: 'info',
      message: 'read',
      fields: { page: 7, err: { name: 'RangeError', message: 'torn' } },
    })
    const line = lines.findLast(({ message }) => message === 'read')
    expect(line).toMatchObject({ job: 'job', task: 'work', occurrenceId: occurrence.id, attempt: 1, page: 7 })
    await scheduler.shutdown()
  })

  it('may return undefined or any JSON value', async () => {
    const values = [undefined, null, 0, 'text', [1, { deep: ['ü'] }], { nothing: null }]
    // The attempts share one child, because each start of a child takes processor time.
    const pooled = (value: unknown) => ({ ...task(isolation, 'returns', { value }), pool: true })
    const tasks = Object.fromEntries(values.map((value, index) => [`${index}`, pooled(value)]))
    const { run } = await isolatedScene(tasks, { maxChildren: 1 })
    const results = await Promise.all(values.map((_, index) => run(`${index}`)))
    expect(results.map(({ state }) => state)).toEqual(values.map(() => 'completed'))
    expect(results.map(resultOf)).toEqual(values)
  })

  it('fails its attempt with the code and the cause of the error that it throws', async () => {
    const { run } = await isolatedScene({ one: task(isolation, 'throws'), many: task(isolation, 'throwsMany') })
    const one = await run('one')
    expect(one.state).toBe('failed')
    expect(lastAttempt(one)).toMatchObject({
      state: 'failed',
      error: {
        name: 'TypeError',
        message: 'bad page',
        code: 'NO_PAGE',
        stack: expect.stringContaining('behaves.mjs'),
        cause: { message: 'no ink' },
      },
    })
    expect(lastAttempt(await run('many'))?.error).toMatchObject({
      name: 'AggregateError',
      message: 'several',
      errors: [{ message: 'one' }, { name: 'RangeError', message: 'two' }],
    })
  })

  shared?.('fails its attempt if it returns a value that JSON would change', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'returnsMap') })
    const attempt = lastAttempt(await run('job'))
    expect(attempt?.error).toMatchObject({ code: 'RESULT_NOT_SERIALISABLE' })
    expect(attempt?.error?.message).toContain('result.pages')
  })

  shared?.each([
    ['progress', 'INVALID_ARGUMENT'],
    ['result', 'RESULT_NOT_AVAILABLE'],
    ['sleep', 'INVALID_DURATION'],
    ['complete', 'TRANSACTION_NOT_SUPPORTED'],
  ])('that calls %s with invalid arguments receives the same error code as other handlers', async (what, code) => {
    const { run } = await isolatedScene({ job: task(isolation, 'asksWrongly', { what }) })
    expect(lastAttempt(await run('job'))?.error).toMatchObject({ name: 'JobistemerError', code })
  })

  it('has the environment of its node, or the environment that its own task sets', async () => {
    process.env.OF_THE_NODE = 'yes'
    const { run } = await isolatedScene({
      same: task(isolation, 'env'),
      own: { ...task(isolation, 'env'), env: { ONLY: 'this' } },
    })
    expect(resultOf(await run('same'))).toMatchObject({ OF_THE_NODE: 'yes' })
    const own = resultOf(await run('own'))
    expect(own).toMatchObject({ ONLY: 'this' })
    expect(own).not.toHaveProperty('OF_THE_NODE')
    delete process.env.OF_THE_NODE
  })

  shared?.('may be exported by a CommonJS module', async () => {
    const { run } = await isolatedScene({ job: { name: 'work', module: modules['common.cjs'], isolation } })
    expect(resultOf(await run('job'))).toBe('from CommonJS')
  })

  it('runs in a new child for each attempt', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'place') })
    const places = [resultOf(await run('job')), resultOf(await run('job'))] as { place: string; attempts: number }[]
    expect(places.map(({ attempts }) => attempts)).toEqual([1, 1])
    expect(new Set(places.map(({ place }) => place)).size).toBe(2)
    expect(places[0]?.place.startsWith(isolation)).toBe(true)
  })

  shared?.('can be a named handler of a job', async () => {
    const work = isolatedHandler({ module: behaves, isolation })
    const { run } = await isolatedScene(
      { job: { name: 'work', handler: 'render', data: { kind: 'place' } } },
      { handlers: { render: work } },
    )
    expect(resultOf(await run('job'))).toMatchObject({ place: expect.stringContaining(isolation) })
  })

  shared?.('sleeps by the clock of its scheduler, and reads the time of that clock', async () => {
    const clock = virtualClock(startMs, { patience: { minutes: 10 } })
    const job = defineJob({
      name: 'job',
      taskTimeout: 'PT3H',
      executionTimeout: 'PT3H',
      tasks: [task(isolation, 'sleeps', { duration: 'PT2H' })],
    })
    const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
    await scheduler.start()
    const { id } = await scheduler.trigger('job')
    await clock.advance({ hours: 3 })
    const occurrence = await scheduler.occurrence(id)
    expect(resultOf(occurrence)).toEqual({ before: at(0).toISOString(), after: at(7200).toISOString() })
    await scheduler.shutdown()
  })

  it('can report progress while it computes without a pause', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'printsProgress') })
    expect(lastAttempt(await run('job'))?.progress).toMatchObject({ fraction: 1, message: 'computed' })
  })

  it('that logs 4,000 lines in a burst loses lines, and the number of lost lines is logged', async () => {
    const { run, lines } = await isolatedScene({ job: task(isolation, 'logsALot') })
    expect((await run('job')).state).toBe('completed')
    const heard = lines.filter(({ message }) => message.startsWith('xxx'))
    const leftOut = lines.filter(({ message }) => message.includes('were left out'))
    expect(heard.length).toBeLessThan(4000)
    expect(heard.length + leftOut.reduce((sum, line) => sum + Number(line.lines), 0)).toBe(4000)
    expect(Math.max(...heard.map(({ message }) => message.length))).toBeLessThanOrEqual(1000)
  })

  it('that leaves a handle open, for example a timer, does not prevent the end of its attempt', async () => {
    const { run, scheduler } = await isolatedScene({ job: task(isolation, 'leavesOpen') }, { maxChildren: 1 })
    expect(resultOf(await run('job'))).toBe('left something open')
    // With `maxChildren: 1`, the node starts a second child only after the first child has ended. So the second run shows that
    // the open handle did not keep the first child alive.
    expect(resultOf(await run('job'))).toBe('left something open')
    await scheduler.shutdown()
  })
})

describe.each(isolations)('a child that runs as a %s', (isolation) => {
  const shared = sharedCase(isolation)

  it('returns its result although its handler sends meaningless messages through the message channel', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'sendsNonsense') })
    expect(resultOf(await run('job'))).toBe('right')
  })

  shared?.each([
    { kind: 'crashed' },
    { kind: 'threw', error: null },
    { kind: 'progress', fraction: 'half' },
    { kind: 'log', level: 'loud' },
  ])('makes only its own attempt fail if its handler forges an unreadable message: $kind', async (message) => {
    const tasks = {
      forges: task(isolation, 'sendsForged', { message }),
      returns: task(isolation, 'returns', { value: 7 }),
    }
    const { run } = await isolatedScene(tasks)
    expect((await run('forges')).state).toBe('failed')
    expect(resultOf(await run('returns'))).toBe(7)
  })
})

it.each(isolations)(
  'an isolated task whose module is TypeScript runs in a %s, or its attempt fails if Node.js does not support TypeScript',
  async (isolation) => {
    const { run } = await isolatedScene({
      job: { name: 'work', module: modules['typed.ts'], isolation, data: { page: 2 } },
    })
    const report = await run('job')
    const { typescript } = process.features as { readonly typescript?: unknown }
    if (typeof typescript === 'string') expect(resultOf(report)).toBe(3)
    else expect(report).toMatchObject({ state: 'failed', tasks: [{ error: { code: 'INVALID_MODULE' } }] })
  },
)
