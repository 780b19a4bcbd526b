import { createRequire } from 'node:module'
import { createClient, createScheduler, defineJob, type JobOperations } from '@jobistemer/core'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { copyDriver } from './driver-copy.ts'
import { makeScratch } from './scratch.ts'
import { type AppWorld, inTransaction, makeAppWorld, note } from './world.ts'

let world: AppWorld

beforeEach(() => {
  world = makeAppWorld()
})

afterEach(async () => await world.remove())

/** Starts a scheduler with a job that records the inputs of its runs. */
async function startScheduler() {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const ran: unknown[] = []
  const run = ({ input }: { readonly input: unknown }) => void ran.push(input)
  const jobs = [
    defineJob({ name: 'mail', overlapPolicy: 'queue', tasks: [{ name: 'send', run }] }),
    defineJob({ name: 'count', overlapPolicy: 'skip', tasks: [{ name: 'count', run }] }),
  ]
  const scheduler = world.keep(createScheduler({ storage: world.connect(), jobs, clock }))
  await scheduler.start()
  return { scheduler, clock, ran }
}

it('a trigger is stored with the rows of its transaction, and its run starts after the commit', async () => {
  const { app } = world
  const { scheduler, clock, ran } = await startScheduler()
  const asked = await inTransaction(app, async () => {
    note(app, 'anna')
    const result = await scheduler.trigger('mail', { transaction: app, data: 'anna' })
    await expect(scheduler.occurrence(result.id)).rejects.toMatchObject({ code: 'OCCURRENCE_NOT_FOUND' })
    await expect(scheduler.waitFor(result.id)).rejects.toMatchObject({ code: 'OCCURRENCE_NOT_FOUND' })
    expect(world.notes()).toEqual([])
    return result
  })
  expect(asked).toMatchObject({ state: 'pending', created: true, reason: null })
  expect(ran).toEqual([])
  await clock.advance({ minutes: 1 })
  expect(ran).toEqual(['anna'])
  expect(world.notes()).toEqual(['anna'])
  expect((await scheduler.occurrence(asked.id)).state).toBe('completed')
})

it('a rollback removes a trigger, and its key can be used again', async () => {
  const { app } = world
  const { scheduler, clock, ran } = await startScheduler()
  const rolledBack = inTransaction(app, async () => {
    note(app, 'anna')
    await scheduler.trigger('mail', { transaction: app, key: 'anna', data: 1 })
    throw new Error('the application has thought better of it')
  })
  await expect(rolledBack).rejects.toThrow('thought better')
  await clock.advance({ minutes: 1 })
  expect([ran, world.notes()]).toEqual([[], []])
  expect(await scheduler.counts('mail')).toEqual({ pending: 0, queued: 0, running: 0 })
  expect(await scheduler.trigger('mail', { key: 'anna', data: 2 })).toMatchObject({ created: true })
  await clock.advance({ minutes: 1 })
  expect(ran).toEqual([2])
})

it('a trigger with a used key returns the existing run, both in the transaction of the first trigger and after its commit', async () => {
  const { app } = world
  const { scheduler } = await startScheduler()
  const [first, second] = await inTransaction(app, async () => [
    await scheduler.trigger('mail', { transaction: app, key: 'anna' }),
    await scheduler.trigger('mail', { transaction: app, key: 'anna' }),
  ])
  expect(second).toEqual({ ...first, created: false })
  expect(await scheduler.trigger('mail', { key: 'anna' })).toMatchObject({ id: first.id, created: false })
  const third = await inTransaction(app, async () => scheduler.trigger('mail', { transaction: app, key: 'anna' }))
  expect(third).toMatchObject({ id: first.id, created: false })
})

it('a delayed trigger in a transaction starts at its time, and the overlap policy is applied when the trigger is stored', async () => {
  const { app } = world
  const { scheduler, clock, ran } = await startScheduler()
  await inTransaction(app, async () => {
    const transaction = app
    const delayed = await scheduler.trigger('mail', { transaction, data: 'later', delay: { minutes: 5 } })
    expect(delayed).toMatchObject({ state: 'pending', reason: 'delayed' })
    expect(await scheduler.trigger('count', { transaction, data: 1 })).toMatchObject({ state: 'pending' })
    const skipped = await scheduler.trigger('count', { transaction, data: 2, key: 'two' })
    expect(skipped).toMatchObject({ state: 'skipped', reason: 'overlap', created: true })
  })
  await clock.advance({ minutes: 4 })
  expect(ran).toEqual([1])
  await clock.advance({ minutes: 2 })
  expect(ran).toEqual([1, 'later'])
})

it('a list of triggers is committed or rolled back with its transaction', async () => {
  const { app } = world
  const { scheduler } = await startScheduler()
  const items = Array.from({ length: 900 }, (_, data) => ({ job: 'mail', data }))
  const given = inTransaction(app, async () => {
    const results = await scheduler.triggerMany(items, { transaction: app })
    expect(results.every(({ error }) => error === null)).toBe(true)
    throw new Error('no')
  })
  await expect(given).rejects.toThrow('no')
  expect(await scheduler.counts('mail')).toEqual({ pending: 0, queued: 0, running: 0 })
  await inTransaction(app, async () => scheduler.triggerMany(items, { transaction: app }))
  expect(await scheduler.counts('mail')).toEqual({ pending: 1, queued: 899, running: 0 })
})

it('a transaction cannot be committed if some triggers of a list could not be stored', async () => {
  const { app } = world
  const { scheduler } = await startScheduler()
  // These triggers need more pages than `max_page_count` permits. So the storage stores some of them before a call fails.
  const items = Array.from({ length: 5_000 }, (_, data) => ({ job: 'mail', data: `${data} ${'x'.repeat(2_000)}` }))
  const pages = app.pragma('page_count', { simple: true }) as number
  app.pragma(`max_page_count = ${pages + 1_000}`)
  app.exec('BEGIN IMMEDIATE')
  note(app, 'anna')
  await expect(scheduler.triggerMany(items, { transaction: app })).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(() => app.exec('COMMIT')).toThrow()
  if (app.inTransaction) app.exec('ROLLBACK')
  expect(world.notes()).toEqual([])
  expect(await scheduler.counts('mail')).toEqual({ pending: 0, queued: 0, running: 0 })
})

it('a client can trigger jobs in a transaction', async () => {
  const { app } = world
  const { clock, ran } = await startScheduler()
  const client = world.keep(createClient({ storage: world.connect(), clock }))
  await inTransaction(app, async () => {
    note(app, 'anna')
    await client.trigger('mail', { transaction: app, data: 'anna' })
    await client.triggerMany([{ job: 'mail', data: 'berta' }], { transaction: app })
  })
  await clock.advance({ minutes: 1 })
  expect(ran.sort()).toEqual(['anna', 'berta'])
})

it('a connection that returns integers as BigInt can trigger jobs in a transaction', async () => {
  const { app } = world
  app.defaultSafeIntegers(true)
  const { scheduler, clock, ran } = await startScheduler()
  await inTransaction(app, async () => scheduler.trigger('mail', { transaction: app, data: 'anna' }))
  await clock.advance({ minutes: 1 })
  expect(ran).toEqual(['anna'])
})

describe('a trigger refuses a transaction that is not an open transaction on the storage’s file', () => {
  async function refusal(transaction: unknown, operations?: JobOperations) {
    const asked = operations ?? world.keep(createClient({ storage: world.connect() }))
    return asked.trigger('mail', { transaction }).then(
      () => 'accepted',
      (error) => `${error.code} ${error.field}: ${error.message}`,
    )
  }

  it.each([['a word'], [7], [null], [{}], [{ prepare: () => {} }]])(
    'such as the value %j, which is no connection',
    async (transaction) => {
      await startScheduler()
      expect(await refusal(transaction)).toMatch(
        /^INVALID_TRANSACTION transaction: .* Give the connection of better-sqlite3/,
      )
    },
  )

  it('such as a connection that has no open transaction', async () => {
    await startScheduler()
    expect(await refusal(world.app)).toMatch(/^INVALID_TRANSACTION .*No transaction is open.* BEGIN IMMEDIATE/)
  })

  it('such as a connection that was closed', async () => {
    await startScheduler()
    const closed = new Database(world.file)
    closed.close()
    expect(await refusal(closed)).toMatch(/^INVALID_TRANSACTION .*is closed/)
  })

  it('such as a transaction on another file, even if the storage’s file is attached to the connection', async () => {
    await startScheduler()
    const other = new Database(`${world.file}.other`)
    other.exec(`ATTACH '${world.file}' AS jobs; BEGIN`)
    expect(await refusal(other)).toMatch(/^INVALID_TRANSACTION .*another file.* an attached file is not safe/)
    other.close()
  })

  it('such as a transaction of another copy of better-sqlite3, whose locks do not protect the storage', async () => {
    await startScheduler()
    const scratch = makeScratch()
    const copy = copyDriver(scratch.directory, ['package.json', 'lib', 'build/Release/better_sqlite3.node'])
    const Other = createRequire(import.meta.url)(copy) as typeof Database
    const other = new Other(world.file)
    other.exec('BEGIN')
    expect(await refusal(other)).toMatch(/^INVALID_TRANSACTION .*another copy of better-sqlite3/)
    other.close()
    scratch.remove()
  })

  it('such as the connection of the storage itself', async () => {
    const own = new Database(world.file)
    const storage = sqliteStorage({ database: own, tablePrefix: 'jobs_' })
    await startScheduler()
    const client = world.keep(createClient({ storage }))
    await client.nextRuns('mail')
    own.exec('BEGIN')
    const refused = refusal(own, client)
    own.exec('ROLLBACK')
    expect(await refused).toMatch(/^INVALID_TRANSACTION .*Open the storage by file/)
    own.close()
  })

  it('and every transaction if the storage does not support transactions', async () => {
    const jobs = [defineJob({ name: 'mail', tasks: [{ name: 'send', run: () => {} }] })]
    const scheduler = world.keep(
      createScheduler({ storage: wrapStorage(world.connect(), { within: undefined }), jobs }),
    )
    await scheduler.start()
    expect(await refusal(world.app, scheduler)).toMatch(
      /^TRANSACTION_NOT_SUPPORTED transaction: .*SQLite or PostgreSQL/,
    )
  })
})

it('a trigger rejects with STORAGE_FAILED while a statement of the application is open on the transaction’s connection', async () => {
  const { app } = world
  const { scheduler } = await startScheduler()
  note(app, 'anna')
  app.exec('BEGIN IMMEDIATE')
  const rows = app.prepare('SELECT name FROM notes').iterate()
  rows.next()
  const asked = scheduler.trigger('mail', { transaction: app })
  await expect(asked).rejects.toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('executing') })
  rows.return?.()
  app.exec('ROLLBACK')
})

it('a transaction can be committed after a trigger that rejected with QUEUE_FULL, and the trigger has stored nothing', async () => {
  const { app } = world
  const jobs = [
    defineJob({ name: 'mail', overlapPolicy: 'queue', maxQueued: 1, tasks: [{ name: 'send', run: () => {} }] }),
  ]
  const scheduler = world.keep(
    createScheduler({ storage: world.connect(), jobs, clock: virtualClock('2026-01-01T00:00:00Z') }),
  )
  await scheduler.start()
  await scheduler.pause('mail')
  for (const _waiting of [1, 2]) await inTransaction(app, async () => scheduler.trigger('mail', { transaction: app }))
  await inTransaction(app, async () => {
    note(app, 'anna')
    await expect(scheduler.trigger('mail', { transaction: app })).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  })
  expect(world.notes()).toEqual(['anna'])
  expect(await scheduler.counts('mail')).toEqual({ pending: 1, queued: 1, running: 0 })
})

it('a trigger rejects with STORAGE_BUSY if another connection wrote after the first read of the trigger’s transaction', async () => {
  const { app } = world
  const { scheduler } = await startScheduler()
  app.exec('BEGIN')
  app.prepare('SELECT count(*) FROM notes').get()
  await scheduler.trigger('mail', { delay: { hours: 1 } })
  await expect(scheduler.trigger('mail', { transaction: app })).rejects.toMatchObject({
    code: 'STORAGE_BUSY',
    field: 'transaction',
  })
  app.exec('ROLLBACK')
})

it('the key scope `live` also applies in a transaction: a key is free once its run has ended', async () => {
  const { app } = world
  const { scheduler, clock, ran } = await startScheduler()
  const ask = () =>
    inTransaction(app, async () => {
      const options = { transaction: app, key: 'anna', keyScope: 'live' } as const
      return [await scheduler.trigger('mail', options), await scheduler.trigger('mail', options)] as const
    })
  const [first, second] = await ask()
  expect([first.created, second.created, second.id]).toEqual([true, false, first.id])
  expect(await scheduler.trigger('mail', { key: 'anna', keyScope: 'live' })).toMatchObject({ created: false })
  await clock.advance({ minutes: 1 })
  const [third, fourth] = await ask()
  expect([third.created, fourth.created, fourth.id]).toEqual([true, false, third.id])
  expect(third.id).not.toBe(first.id)
  const many = await inTransaction(app, async () =>
    scheduler.triggerMany([{ job: 'mail', key: 'anna', keyScope: 'live' }], { transaction: app }),
  )
  expect(many).toMatchObject([{ created: false, id: third.id }])
  await clock.advance({ minutes: 1 })
  expect(ran).toHaveLength(2)
})
