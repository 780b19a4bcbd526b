import { readFile } from 'node:fs/promises'
import { createScheduler, defineJob, defineTask, type Logger } from '@jobistemer/core'
import { runJob, runTask } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'

const now = '2026-01-31T02:00:00Z'
const everyMinute = cron('* * * * *')

/** Maximum real time for which `runJob` waits for a handler that reads a file. A busy machine may delay the read. */
const patience = { minutes: 1 }

const count = defineTask({ name: 'count', data: { table: 'orders' }, run: async () => ({ rows: 3 }) })
const mail = defineTask({
  name: 'mail',
  run: async (context) => `${context.result(count).rows} rows for ${context.input}`,
})
const report = defineJob({ name: 'report', schedule: everyMinute, tasks: [count, mail] })

it('`runJob` runs a job once and returns its report', async () => {
  const { outcome, startedAt, tasks, occurrence } = await runJob(report, {
    storage: memoryStorage(),
    now,
    data: 'anna',
  })
  expect([outcome, startedAt, occurrence.kind]).toEqual(['completed', new Date(now), 'trigger'])
  expect(tasks.map(({ name, result }) => [name, result])).toEqual([
    ['count', { rows: 3 }],
    ['mail', '3 rows for anna'],
  ])
})

it('`runJob` waits for retries and timeouts in virtual time, but not for slots of the job’s schedule', async () => {
  let calls = 0
  const flaky = defineJob({
    name: 'flaky',
    schedule: everyMinute,
    retryPolicy: { maxRetries: 2, retryInterval: { hours: 1 }, backoffFactor: 1 },
    tasks: [
      {
        name: 'work',
        async run() {
          calls++
          await readFile(new URL(import.meta.url))
          if (calls < 3) throw new Error(`failure ${calls}`)
          return calls
        },
      },
    ],
  })
  const { outcome, durationMs, tasks } = await runJob(flaky, {
    storage: memoryStorage(),
    now,
    overrides: { executionTimeout: { days: 1 } },
    patience,
  })
  expect([outcome, durationMs, calls]).toEqual(['completed', 2 * 3_600_000, 3])
  expect(tasks[0]?.attempts.map(({ error }) => error?.message)).toEqual(['failure 1', 'failure 2', undefined])
})

it('`runJob` returns after the hooks of the job have ended', async () => {
  const seen: string[] = []
  const hook = (name: string) => async () => {
    await readFile(new URL(import.meta.url))
    seen.push(name)
  }
  const hooked = defineJob({
    name: 'hooked',
    schedule: everyMinute,
    onStart: hook('onStart'),
    onComplete: hook('onComplete'),
    tasks: [{ name: 'work', run: () => void seen.push('work') }],
  })
  await runJob(hooked, { storage: memoryStorage(), patience })
  expect(seen).toEqual(['onStart', 'work', 'onComplete'])
})

it('`runTask` runs one task with the given results of other tasks', async () => {
  const storage = memoryStorage()
  const task = await runTask(report, 'mail', { storage, now, data: 'anna', results: { count: { rows: 7 } } })
  expect([task.name, task.state, task.result]).toEqual(['mail', 'completed', '7 rows for anna'])
})

it('`runTask` returns the error of a failed task', async () => {
  const task = await runTask(report, 'mail', { storage: memoryStorage(), now })
  expect(task.state).toBe('failed')
  expect(task.attempts.map(({ state, error }) => [state, error?.code])).toEqual([['failed', 'RESULT_NOT_AVAILABLE']])
})

it('`runTask` returns the state timed_out for a task whose handler never ends', async () => {
  const tasks = [{ name: 'work', taskTimeout: 'PT5M', run: () => new Promise(() => undefined) }]
  const hanging = defineJob({ name: 'hanging', schedule: everyMinute, tasks })
  const { attempts } = await runTask(hanging, 'work', { storage: memoryStorage(), now, patience: 10 })
  expect(attempts.map(({ state, durationMs }) => [state, durationMs])).toEqual([['timed_out', 305_000]])
})

it('`runJob` calls the given handlers if the job names its handlers, and writes logs to the given logger', async () => {
  const lines: string[] = []
  const note = (_: object, message?: string) => void lines.push(String(message))
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const data = defineJob({ name: 'data', schedule: everyMinute, tasks: [{ name: 'work', handler: 'work' }] })
  const { outcome } = await runJob(data, {
    storage: memoryStorage(),
    logger,
    handlers: { work: ({ logger: bound }) => bound.info({}, 'at work') },
  })
  expect(outcome).toBe('completed')
  expect(lines).toContain('at work')
})

it('`runJob` and `runTask` reject invalid options', async () => {
  const storage = memoryStorage()
  const refusals: [() => Promise<unknown>, string, string][] = [
    [() => runJob(report, { storage, tasks: ['post'] }), 'TASK_NOT_FOUND', 'tasks'],
    [() => runTask(report, 'post', { storage }), 'TASK_NOT_FOUND', 'tasks'],
    [() => runTask(report, 'mail', { storage, tasks: ['mail'] } as never), 'UNKNOWN_OPTION', 'options.tasks'],
    [() => runJob(report, { storage, results: { post: 1 } }), 'UNKNOWN_OPTION', 'results.post'],
    [() => runJob(report, { storage, results: { count: new Map() } }), 'INVALID_ARGUMENT', 'results.count'],
    [() => runJob(report, { storage, now: 'soon' }), 'INVALID_INSTANT', 'now'],
    [() => runJob('report' as never, { storage }), 'INVALID_ARGUMENT', 'job'],
    [() => runJob(report, {} as never), 'INVALID_ARGUMENT', 'storage'],
    [() => runJob(report, { storage, when: now } as never), 'UNKNOWN_OPTION', 'options.when'],
  ]
  for (const [refusal, code, field] of refusals) await expect(refusal()).rejects.toMatchObject({ code, field })
})

it('`runJob` rejects if the job is already running in the given storage', async () => {
  const database = memoryDatabase()
  let end = () => {}
  const run = () =>
    new Promise<void>((resolve) => {
      end = resolve
    })
  const busy = defineJob({ name: 'busy', schedule: everyMinute, tasks: [{ name: 'work', run }] })
  const scheduler = createScheduler({ storage: memoryStorage({ database }), jobs: [busy] })
  await scheduler.start()
  await scheduler.trigger('busy')
  const refusal = runJob(busy, { storage: memoryStorage({ database }) })
  await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'options.storage' })
  end()
  await scheduler.shutdown()
})
