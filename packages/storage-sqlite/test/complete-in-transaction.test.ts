import { setImmediate as turn } from 'node:timers/promises'
import { createScheduler, defineJob, type ExecutionReport, type TaskContext } from '@jobistemer/core'
import { runJob, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import type { Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppWorld, inTransaction, makeAppWorld, note } from './world.ts'

let world: AppWorld

beforeEach(() => {
  world = makeAppWorld()
})

afterEach(async () => await world.remove())

const at = '2026-01-01T00:00:00Z'

type Handler = (context: TaskContext) => unknown

/** Runs a job with one task once. The task has two retries without a pause. */
async function run(handler: Handler, storage: Storage = world.connect()): Promise<ExecutionReport> {
  const retryPolicy = { maxRetries: 2, retryInterval: 0 } as const
  const job = defineJob({
    name: 'move',
    retryPolicy,
    tasks: [{ name: 'move', taskTimeout: { minutes: 1 }, run: handler }],
  })
  return await runJob(job, { storage, now: at })
}

function attemptsOf(report: ExecutionReport) {
  return report.tasks[0]?.attempts.map(({ state, error }) =>
    error === null ? state : `${state} ${error.code ?? error.message}`,
  )
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => 'accepted',
    (error) => error.code,
  )
}

it('the rows of a handler and the end of its task are committed together', async () => {
  const { app } = world
  const report = await run(async (context) => {
    await inTransaction(app, async () => {
      note(app, 'done')
      await context.complete(app, { rows: 1 })
      expect(world.notes()).toEqual([])
    })
    return 'what is returned does not count'
  })
  expect(report.outcome).toBe('completed')
  expect(report.tasks[0]?.result).toEqual({ rows: 1 })
  expect(attemptsOf(report)).toEqual(['succeeded'])
  expect(world.notes()).toEqual(['done'])
})

it('a task stays completed if its handler throws after the commit of the completion', async () => {
  const { app } = world
  let calls = 0
  const report = await run(async (context) => {
    calls++
    await inTransaction(app, async () => {
      note(app, 'done')
      await context.complete(app)
    })
    throw new Error('after the commit')
  })
  expect([report.outcome, calls, world.notes()]).toEqual(['completed', 1, ['done']])
  expect(report.tasks[0]?.result).toBeUndefined()
})

it('a rollback of a completion fails the attempt with TRANSACTION_NOT_COMMITTED, and the attempt is retried', async () => {
  const { app } = world
  const report = await run(async (context) => {
    const moving = inTransaction(app, async () => {
      note(app, `attempt ${context.attempt}`)
      await context.complete(app)
      if (context.attempt < 3) throw new Error('no')
    })
    // In its first attempt the handler swallows the error of the transaction.
    await (context.attempt === 1 ? moving.catch(() => undefined) : moving)
  })
  expect(report.outcome).toBe('completed')
  expect(attemptsOf(report)).toEqual(['failed TRANSACTION_NOT_COMMITTED', 'failed no', 'succeeded'])
  expect(world.notes()).toEqual(['attempt 3'])
})

it('a handler whose transaction was rolled back may complete its task in another transaction', async () => {
  const { app } = world
  const report = await run(async (context) => {
    for (const word of ['first', 'second']) {
      const moving = inTransaction(app, async () => {
        note(app, word)
        await context.complete(app, word)
        if (word === 'first') throw new Error('serialization failure')
      })
      await moving.catch(() => undefined)
    }
  })
  expect([report.outcome, report.tasks[0]?.result, world.notes()]).toEqual(['completed', 'second', ['second']])
  expect(attemptsOf(report)).toEqual(['succeeded'])
})

it('a second transaction that completes the same task is refused, even if the handler catches the error', async () => {
  const { app } = world
  const codes: string[] = []
  const report = await run(async (context) => {
    for (const word of ['first', 'second']) {
      app.exec('BEGIN IMMEDIATE')
      note(app, word)
      codes.push(await codeOf(context.complete(app, word)))
      if (word === 'first') app.exec('COMMIT')
    }
    expect(() => app.exec('COMMIT')).toThrow('FOREIGN KEY')
    app.exec('ROLLBACK')
  })
  expect(codes).toEqual(['accepted', 'ALREADY_COMPLETED'])
  expect([report.outcome, report.tasks[0]?.result, world.notes()]).toEqual(['completed', 'first', ['first']])
})

describe('a refused completion in a savepoint', () => {
  const ways: readonly [how: string, inner: string, outer: string][] = [
    ['in a transaction', 'SAVEPOINT inner', 'BEGIN IMMEDIATE'],
    ['in another savepoint', 'SAVEPOINT inner; SAVEPOINT innermost', 'SAVEPOINT outer'],
  ]
  it.each(ways)(
    'that lies %s makes the whole transaction fail, even if the savepoint is rolled back and the handler catches the error',
    async (...way) => {
      const [, inner, outer] = way
      const { app } = world
      const told: string[] = []
      const tell = (sql: string): void => {
        try {
          app.exec(sql)
          told.push('done')
        } catch (error) {
          told.push((error as Error).message)
        }
      }
      const report = await run(async (context) => {
        if (context.attempt > 1) return
        app.exec(outer)
        note(app, 'before')
        app.exec(inner)
        note(app, 'inside')
        told.push(await codeOf(context.complete(app, () => 'no JSON')))
        tell('ROLLBACK TO inner')
        tell('RELEASE inner')
        app.exec('SAVEPOINT another')
        note(app, 'after')
        tell('ROLLBACK TO another')
        note(app, 'after')
        tell('RELEASE outer')
        tell('COMMIT')
        expect(app.inTransaction).toBe(true)
        tell('ROLLBACK')
        throw new Error('the end')
      })
      const missing = 'no such savepoint: inner'
      const rest = ['done', 'no such savepoint: outer', 'FOREIGN KEY constraint failed', 'done']
      expect(told).toEqual(['RESULT_NOT_SERIALISABLE', missing, missing, ...rest])
      expect(attemptsOf(report)).toEqual(['failed the end', 'succeeded'])
      expect(world.notes()).toEqual([])
    },
  )

  it('makes the whole transaction fail even if foreign keys are off', async () => {
    const { app } = world
    app.pragma('foreign_keys = OFF')
    await run(async (context) => {
      app.exec('BEGIN IMMEDIATE')
      note(app, 'before')
      app.exec('SAVEPOINT inner')
      expect(await codeOf(context.complete(app, () => 'no JSON'))).toBe('RESULT_NOT_SERIALISABLE')
      expect(() => app.exec('ROLLBACK TO inner')).toThrow('no such savepoint')
      expect(() => app.exec('COMMIT')).toThrow('no transaction is active')
    })
    expect(world.notes()).toEqual([])
  })

  it('blocks no other writer, and leaves no temporary table or trigger on the connection', async () => {
    const { app } = world
    await run(async (context) => {
      app.exec('BEGIN IMMEDIATE')
      expect(await codeOf(context.complete(app, () => 'no JSON'))).toBe('RESULT_NOT_SERIALISABLE')
      const other = new Database(world.file, { timeout: 0 })
      note(other, 'of another')
      other.close()
      app.exec('ROLLBACK')
    })
    expect(app.prepare('SELECT count(*) FROM sqlite_temp_schema').pluck().get()).toBe(0)
    expect(world.notes()).toEqual(['of another'])
  })
})

it('a second completion in the same transaction makes the whole transaction fail', async () => {
  const { app } = world
  const codes: string[] = []
  const report = await run(async (context) => {
    if (context.attempt > 1) return
    app.exec('BEGIN IMMEDIATE')
    note(app, 'twice')
    codes.push(await codeOf(context.complete(app)), await codeOf(context.complete(app)))
    expect(() => app.exec('COMMIT')).toThrow('FOREIGN KEY')
    app.exec('ROLLBACK')
  })
  expect(codes).toEqual(['accepted', 'ALREADY_COMPLETED'])
  expect(attemptsOf(report)).toEqual(['failed TRANSACTION_NOT_COMMITTED', 'succeeded'])
  expect(world.notes()).toEqual([])
})

it('the completion of a replaced owner makes its whole transaction fail, even if the handler catches the error', async () => {
  const { app } = world
  const storage = world.connect()
  const other = { node: 'other', incarnation: 'other-1' }
  const codes: string[] = []
  const clock = virtualClock(at)
  const job = defineJob({
    name: 'move',
    tasks: [
      {
        name: 'move',
        run: async (context) => {
          const { id } = context.occurrence
          const [record] = (await storage.get({ occurrences: [id] })).occurrences
          if (record == null || record.owner?.node === 'other') throw new Error('it has no record')
          const now = context.now().getTime()
          await storage.reap({ now, items: [{ ...record, runs: [], action: 'retry', reason: 'test' }] })
          await storage.claim({ now, owner: other, limit: 1, exceptHandlerKeys: [], sweep: false })
          app.exec('BEGIN IMMEDIATE')
          note(app, 'too late')
          codes.push(await codeOf(context.complete(app)))
          codes.push(String(context.signal.aborted))
          codes.push(await codeOf(context.complete(app)))
          expect(() => app.exec('COMMIT')).toThrow('FOREIGN KEY')
          app.exec('ROLLBACK')
        },
      },
    ],
  })
  const scheduler = world.keep(createScheduler({ storage: world.connect(), jobs: [job], clock }))
  const lost = new Promise<void>((resolve) => scheduler.on('occurrence.lost', () => resolve()))
  await scheduler.start()
  const { id } = await scheduler.trigger('move')
  await lost
  await scheduler.shutdown()
  expect(codes).toEqual(['OCCURRENCE_LOST', 'true', 'OCCURRENCE_LOST'])
  expect(world.notes()).toEqual([])
  const record = await storage.get({ occurrences: [id] })
  expect(record.occurrences[0]).toMatchObject({ state: 'running', token: 2, owner: other, sequence: 0 })
})

it('a completion is refused after the signal of its task has aborted, and after its handler has ended', async () => {
  const { app } = world
  const codes: string[] = []
  const contexts: TaskContext[] = []
  const report = await run(async (context) => {
    contexts.push(context)
    if (context.attempt > 1) return
    await context.sleep({ minutes: 2 }).catch(() => undefined)
    app.exec('BEGIN IMMEDIATE')
    note(app, 'too late')
    codes.push(await codeOf(context.complete(app)))
    expect(() => app.exec('COMMIT')).toThrow('FOREIGN KEY')
    app.exec('ROLLBACK')
  })
  expect(attemptsOf(report)).toEqual(['timed_out TASK_TIMEOUT', 'succeeded'])
  app.exec('BEGIN IMMEDIATE')
  codes.push(await codeOf(contexts[1]?.complete(app) as Promise<void>))
  app.exec('ROLLBACK')
  expect(codes).toEqual(['TASK_TIMEOUT', 'ATTEMPT_OVER'])
})

it('an invalid call of `complete` rejects, and the error names the mistake', async () => {
  const { app } = world
  const codes: string[] = []
  const report = await run(async (context) => {
    codes.push(await codeOf(context.complete(undefined)))
    codes.push(await codeOf(context.complete(app)))
    await inTransaction(app, async () => codes.push(await codeOf(context.complete(app, () => {})))).catch(
      () => undefined,
    )
    await inTransaction(app, async () => codes.push(await codeOf(context.complete(app, 'x'.repeat(200_000))))).catch(
      () => undefined,
    )
  })
  expect(codes).toEqual(['INVALID_TRANSACTION', 'INVALID_TRANSACTION', 'RESULT_NOT_SERIALISABLE', 'RESULT_TOO_LARGE'])
  // No completion took effect, so the handler's return without an error completes the task.
  expect(attemptsOf(report)).toEqual(['succeeded'])
})

it('`complete` rejects with TRANSACTION_NOT_SUPPORTED on a storage without transactions', async () => {
  const codes: string[] = []
  await run(
    async (context) => void codes.push(await codeOf(context.complete(world.app))),
    wrapStorage(world.connect(), { within: undefined }),
  )
  expect(codes).toEqual(['TRANSACTION_NOT_SUPPORTED'])
})

it('a completion that is committed after the end of its handler takes effect, and the handler is not called again', async () => {
  const { app } = world
  let calls = 0
  const job = defineJob({
    name: 'move',
    retryPolicy: { maxRetries: 5, retryInterval: { hours: 1 } },
    tasks: [
      {
        name: 'move',
        run: async (context) => {
          calls++
          app.exec('BEGIN IMMEDIATE')
          note(app, 'late')
          await context.complete(app, 'late')
          // The handler returns before the transaction is committed.
        },
      },
    ],
  })
  const judged: string[] = []
  const storage = wrapStorage(world.connect(), {
    // Records each read of an occurrence that the engine makes while the user's transaction is still open.
    around: async (call) => {
      const answer = await call.proceed()
      if (call.method === 'get' && app.inTransaction) judged.push('read')
      return answer
    },
  })
  const clock = virtualClock(at)
  const scheduler = world.keep(createScheduler({ storage, jobs: [job], clock }))
  const ended: string[] = []
  scheduler.on('attempt.ended', ({ state }) => void ended.push(state))
  scheduler.on('attempt.ended', () => void (app.inTransaction && app.exec('COMMIT')))
  const finished = new Promise<ExecutionReport>((resolve) =>
    scheduler.on('occurrence.finished', ({ report }) => resolve(report)),
  )
  await scheduler.start()
  await scheduler.trigger('move')
  const report = await finished
  expect(judged).toEqual(['read'])
  expect(ended).toEqual(['failed'])
  expect([report.outcome, report.tasks[0]?.result, calls]).toEqual(['completed', 'late', 1])
  expect(world.notes()).toEqual(['late'])
})

describe('if an owner dies between the commit of a completion and the end of the occurrence,', () => {
  it.each(['retry', 'fail'] as const)(
    'the next owner does not call the handler again, with onInterrupted %s',
    async (onInterrupted) => {
      const { app } = world
      const calls: string[] = []
      const jobOf = (node: string) =>
        defineJob({
          name: 'move',
          onInterrupted,
          executionTimeout: { minutes: 10 },
          tasks: [
            {
              name: 'move',
              run: async (context) => {
                calls.push(node)
                await inTransaction(app, async () => {
                  note(app, node)
                  await context.complete(app, node)
                })
              },
            },
          ],
        })
      let isDead = false
      // After the completion in the transaction, this wrapper blocks all calls of the node, as if the node had died.
      const storage = world.connect()
      const dying = wrapStorage(storage, {
        around: async (call) => (isDead ? await new Promise(() => {}) : await call.proceed()),
        within(transaction) {
          const inner = storage.within?.(transaction)
          if (inner === undefined) throw new TypeError('the storage has no transactions')
          return {
            ...inner,
            async settle(request) {
              const answer = await inner.settle(request)
              isDead = true
              return answer
            },
          }
        },
      })
      const first = createScheduler({
        storage: dying,
        jobs: [jobOf('first')],
        clock: virtualClock(at),
        nodeId: 'first',
      })
      await first.start()
      const { id } = await first.trigger('move')
      while (!isDead || app.inTransaction) await turn()
      const clock = virtualClock(at)
      const second = world.keep(
        createScheduler({ storage: world.connect(), jobs: [jobOf('second')], clock, nodeId: 'second' }),
      )
      const finished = new Promise<ExecutionReport>((resolve) =>
        second.on('occurrence.finished', ({ report }) => resolve(report)),
      )
      await second.start()
      await clock.advance({ minutes: 15 })
      const report = await finished
      expect(report).toMatchObject({ outcome: 'completed', occurrence: { id } })
      expect(report.tasks[0]).toMatchObject({ state: 'completed', result: 'first' })
      expect([calls, world.notes()]).toEqual([['first'], ['first']])
    },
  )
})

it('parallel tasks complete one after another, and no completion undoes the completion of another task', async () => {
  const { app } = world
  const order: string[] = []
  const task = (name: string) => ({
    name,
    run: async (context: TaskContext) => {
      context.progress(0.5, name)
      // A connection has one transaction at a time, so each handler waits until no other transaction is open, as transaction
      // tools do.
      while (app.inTransaction) await turn()
      await inTransaction(app, async () => {
        note(app, name)
        order.push(`${name} completes`)
        await context.complete(app, name)
        order.push(`${name} has said so`)
      })
      // Lets other handlers run, which can complete only after this transaction has ended.
      for (let turns = 0; turns < 20; turns++) await turn()
      order.push(`${name} ends`)
    },
  })
  const job = defineJob({ name: 'both', taskExecutionMode: 'parallel', tasks: ['a', 'b', 'c'].map(task) })
  const report = await runJob(job, { storage: world.connect(), now: at })
  expect(report.outcome).toBe('completed')
  expect(report.tasks.map(({ name, state, result }) => [name, state, result])).toEqual([
    ['a', 'completed', 'a'],
    ['b', 'completed', 'b'],
    ['c', 'completed', 'c'],
  ])
  expect([...world.notes()].sort()).toEqual(['a', 'b', 'c'])
  const said = order.filter((line) => !line.endsWith('completes'))
  expect(said).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} has said so`, `${name} ends`]))
})
