import { createScheduler, defineJob, type JobId, silentLogger } from '@jobistemer/core'
import {
  type CreateItem,
  partialAnswers,
  type SettleItem,
  type Storage,
  type StorageWithin,
} from '@jobistemer/core/storage'
import type pg from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { addJob, finishItem, minute, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { everySeconds } from '../../scenarios/test/support/every.ts'
import { sumRows } from '../src/step-functions.ts'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, query, schema: newSchema } = useSchemas()

const other = { node: 'node-b', incarnation: 'node-b-1' } as const

const progressItem = (job: JobId, index: number): SettleItem => ({
  ...finishItem(job, index),
  change: { kind: 'progress' },
})

/** Starts a slot, and completes its task in a user's transaction that stays open. */
async function openCompletion(policy: 'allow' | 'queue' | 'cancel_running') {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema, commandTimeout: 60_000 })
  const { id } = await addJob(storage, 'move', policy)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  const client = await connection()
  await client.query('BEGIN')
  const within = storage.within?.(client) as StorageWithin
  expect(await within.settle({ now: slotAt(1), items: [progressItem(id, 1)] })).toMatchObject([{ outcome: 'ok' }])
  return { schema, storage, id, client, within }
}

/** Resolves when a connection waits for a lock that this client's transaction holds. */
async function someoneWaitsFor(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const waiting = () => query('SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))', [rows[0]?.pid])
  await expect.poll(waiting).not.toEqual([])
}

const stateOf = async (storage: Storage, { id }: { readonly id: `occ_${string}` }) =>
  (await storage.get({ occurrences: [id] })).occurrences[0]

it('slots of a job start and end while a user’s transaction with a completion of that job is open', async () => {
  const { storage, id, client } = await openCompletion('allow')
  for (let index = 2; index <= 6; index++) {
    const created = await storage.createOccurrences({ now: slotAt(index), owner: other, items: [slotItem(id, index)] })
    expect(created).toMatchObject([{ outcome: 'created', state: 'running' }])
    const ended = await storage.settle({ now: slotAt(index) + 20, items: [finishItem(id, index)] })
    expect(ended).toMatchObject([{ outcome: 'ok' }])
  }
  await client.query('COMMIT')
  expect(await stateOf(storage, slotItem(id, 1))).toMatchObject({ state: 'running', sequence: 1 })
})

it('later slots of a job stay queued while a transaction that completes the running occurrence is open', async () => {
  const { storage, id, client } = await openCompletion('queue')
  const queued = await storage.createOccurrences({ now: slotAt(2), owner: other, items: [slotItem(id, 2)] })
  expect(queued).toMatchObject([{ outcome: 'created', state: 'queued' }])
  await client.query('COMMIT')
  const end = { ...finishItem(id, 1), sequence: 2 }
  expect(await storage.settle({ now: slotAt(3), items: [end] })).toMatchObject([
    { outcome: 'ok', woken: { id: slotItem(id, 2).id } },
  ])
})

it('two transactions can complete occurrences of one job at the same time', async () => {
  const { storage, id, client } = await openCompletion('allow')
  await storage.createOccurrences({ now: slotAt(2), owner, items: [slotItem(id, 2)] })
  const second = await connection()
  await second.query('BEGIN')
  const within = storage.within?.(second) as StorageWithin
  expect(await within.settle({ now: slotAt(2), items: [progressItem(id, 2)] })).toMatchObject([{ outcome: 'ok' }])
  await second.query('COMMIT')
  await client.query('COMMIT')
  for (const index of [1, 2]) expect(await stateOf(storage, slotItem(id, index))).toMatchObject({ sequence: 1 })
})

it('a reap of an occurrence with an uncommitted completion waits for the commit, returns `lost`, and blocks no other call', async () => {
  const { storage, id, client } = await openCompletion('allow')
  const reaping = storage.reap({
    now: slotAt(2),
    items: [{ ...progressItem(id, 1), sequence: 0, runs: [], action: 'retry', reason: 'test' }],
  })
  await someoneWaitsFor(client)
  const created = await storage.createOccurrences({ now: slotAt(2), owner: other, items: [slotItem(id, 2)] })
  expect(created).toMatchObject([{ outcome: 'created', state: 'running' }])
  await client.query('COMMIT')
  expect(await reaping).toMatchObject([{ outcome: 'lost', state: 'running', token: 1 }])
})

it('a reap returns `lost` even if a completion is committed just before the reap searches for locked rows', async () => {
  const { schema, id, client } = await openCompletion('allow')
  const late = pool()
  late.on('connect', (connection) => {
    const send = connection.query.bind(connection) as (...given: unknown[]) => Promise<unknown>
    const query = async (text: string, values?: unknown[]) => {
      if (text.includes('SKIP LOCKED')) await client.query('COMMIT')
      return await send(text, values)
    }
    Object.assign(connection, { query })
  })
  const reaped = await open({ pool: late, schema, wakeUps: false }).reap({
    now: slotAt(2),
    items: [{ ...progressItem(id, 1), sequence: 0, runs: [], action: 'retry', reason: 'test' }],
  })
  expect(reaped).toMatchObject([{ outcome: 'lost', state: 'running', token: 1 }])
})

it('a step that fails at the server’s lock_timeout rejects with STORAGE_BUSY', async () => {
  const schema = newSchema()
  const { id } = await addJob(open({ pool: pool(), schema }), 'move', 'allow')
  const storage = open({ pool: pool({ options: '-c lock_timeout=20' }), schema, wakeUps: false })
  const client = await connection()
  await client.query('BEGIN')
  await client.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
  const creating = storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  await expect(creating).rejects.toMatchObject({ code: 'STORAGE_BUSY', message: expect.stringContaining('55P03') })
})

it('a settle that waits for the commit of a completion blocks no step on another job whose occurrence it ends', async () => {
  const { schema, storage, id, client } = await openCompletion('allow')
  const { id: beside } = await addJob(storage, 'beside', 'allow')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(beside, 1)] })
  const ends = [{ ...finishItem(id, 1), sequence: 2 }, finishItem(beside, 1)]
  const ending = storage.settle({ now: slotAt(2), items: ends })
  await someoneWaitsFor(client)
  const elsewhere = open({ pool: pool(), schema })
  const created = await elsewhere.createOccurrences({ now: slotAt(2), owner: other, items: [slotItem(beside, 2)] })
  expect(created).toMatchObject([{ outcome: 'created', state: 'running' }])
  await client.query('COMMIT')
  expect(await ending).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }])
})

it('a reap of an occurrence succeeds after the rollback of its completion', async () => {
  const { storage, id, client, within } = await openCompletion('allow')
  const reaping = storage.reap({
    now: slotAt(2),
    items: [{ ...progressItem(id, 1), sequence: 0, runs: [], action: 'retry', reason: 'test' }],
  })
  await someoneWaitsFor(client)
  await client.query('ROLLBACK')
  expect(await reaping).toMatchObject([{ outcome: 'reaped' }])
  await client.query('BEGIN')
  const late = await within.settle({ now: slotAt(2), items: [progressItem(id, 1)] })
  expect(late).toMatchObject([{ outcome: 'lost', state: 'pending' }])
  await client.query('ROLLBACK')
})

it('a settle that was sent before the commit of a completion and arrives after that commit changes nothing', async () => {
  const { schema, id, client, within } = await openCompletion('allow')
  await client.query('COMMIT')
  await client.query('BEGIN')
  expect(await within.settle({ now: slotAt(1), items: [{ ...progressItem(id, 1), sequence: 2 }] })).toMatchObject([
    { outcome: 'ok' },
  ])
  // The settle reads the occurrence before the user's transaction commits, and writes the occurrence afterwards.
  const storage = open({ pool: pool(), schema })
  const finishing = storage.settle({ now: slotAt(1) + minute / 2, items: [{ ...finishItem(id, 1), sequence: 2 }] })
  await someoneWaitsFor(client)
  await client.query('COMMIT')
  expect(await finishing).toMatchObject([{ outcome: 'ok' }])
  const record = await stateOf(storage, slotItem(id, 1))
  expect(record).toMatchObject({ state: 'running', sequence: 2 })
})

/**
 * Opens connections until two of them write their live counts to the same row. The live counts of all jobs are the sums of
 * `sumRows` rows, and the process id of a connection selects its row. Returns these two connections, then all others.
 */
async function connectionsToOneRow(): Promise<readonly [pg.PoolClient, pg.PoolClient, ...pg.PoolClient[]]> {
  const byRow = new Map<number, pg.PoolClient>()
  for (;;) {
    const client = await connection()
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const row = (rows[0]?.pid ?? 0) % sumRows
    const earlier = byRow.get(row)
    if (earlier !== undefined) {
      byRow.delete(row)
      return [earlier, client, ...byRow.values()]
    }
    byRow.set(row, client)
  }
}

it('an uncommitted trigger blocks no step on other jobs, on any connection', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const [{ id }, { id: another }] = [await addJob(storage, 'asked'), await addJob(storage, 'another', 'allow')]
  const [client, sharing, ...others] = await connectionsToOneRow()
  await client.query('BEGIN')
  const within = storage.within?.(client) as StorageWithin
  const now = slotAt(1)
  expect(await within.createOccurrences({ now, owner, items: [triggerItem(id, 1)] })).toMatchObject([
    { state: 'pending' },
  ])
  // The connection `sharing` writes its counts to the row of the user's connection. It must nevertheless not wait for the
  // user's open transaction.
  const writers = [sharing, ...others.slice(0, 3)]
  for (const [index, one] of writers.entries()) {
    const items = [triggerItem(another, index + 1)]
    const created = await open({ client: one, schema, wakeUps: false }).createOccurrences({ now, owner, items })
    expect(created).toMatchObject([{ outcome: 'created' }])
  }
  const stored = writers.length
  expect(await storage.get({ counts: ['all'] })).toMatchObject({ counts: [{ pending: stored }] })
  await client.query('COMMIT')
  expect(await storage.get({ counts: ['all'] })).toMatchObject({ counts: [{ pending: stored + 1 }] })
  await storage.claim({ now, owner, limit: stored + 1, exceptHandlerKeys: [], sweep: false })
  expect(await storage.get({ counts: ['all'] })).toMatchObject({ counts: [{ pending: 0, running: stored + 1 }] })
  // The user's transaction has stored its counts in a separate row. A later claim has added these counts to the shared rows,
  // and has removed the separate row.
  expect(await query(`SELECT slot FROM ${schema}.live_sums WHERE slot >= 64`)).toEqual([])
})

it('concurrent calls in one transaction run one after the other', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const { id } = await addJob(storage, 'alpha', 'skip')
  const client = await connection()
  await client.query('BEGIN')
  // Each call uses a separate connection, as calls of a scheduler do.
  const answers = await Promise.all(
    [1, 2, 3].map((number) => {
      const within = storage.within?.(client) as StorageWithin
      return within.createOccurrences({ now: slotAt(1), owner, items: [triggerItem(id, number, slotAt(1))] })
    }),
  )
  await client.query('COMMIT')
  expect(answers.flat()).toMatchObject([
    { outcome: 'created', state: 'pending' },
    { outcome: 'created', state: 'skipped' },
    { outcome: 'created', state: 'skipped' },
  ])
  expect((await storage.get({ counts: [id, 'all'] })).counts).toMatchObject([{ pending: 1 }, { pending: 1 }])
  expect(await query(`SELECT count(*)::int AS count FROM ${schema}.live`)).toEqual([{ count: 1 }])
})

it('a call that fails in a transaction does not undo concurrent calls in the same transaction', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const { id } = await addJob(storage, 'alpha', 'allow')
  const client = await connection()
  await client.query(`CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.priority = 7 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.live FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`)
  await client.query('BEGIN')
  const answers = await Promise.allSettled(
    [1, 2, 3].map((number) => {
      const item = triggerItem(id, number, slotAt(1))
      const details = number === 2 ? { ...item.details, priority: 7 } : item.details
      const within = storage.within?.(client) as StorageWithin
      return within.createOccurrences({ now: slotAt(1), owner, items: [{ ...item, details }] })
    }),
  )
  await client.query('COMMIT')
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect((await storage.get({ counts: [id] })).counts).toMatchObject([{ pending: 2 }])
  expect(await query(`SELECT count(*)::int AS count FROM ${schema}.live`)).toEqual([{ count: 2 }])
})

it('a call on several jobs changes all jobs except a job that a user’s transaction holds, and its error has the answers', async () => {
  // The call rejects long before this timeout: the caller waits for the answers of the other jobs.
  const storage = open({ pool: pool(), schema: newSchema(), commandTimeout: 3_600_000 })
  const jobs = [await addJob(storage, 'held'), await addJob(storage, 'free'), await addJob(storage, 'other')] as const
  const [held, free, third] = jobs.map(({ id }) => id) as [JobId, JobId, JobId]
  const first = [held, free, third].map((id) => slotItem(id, 1))
  await storage.createOccurrences({ now: slotAt(1), owner, items: first })
  const client = await connection()
  await client.query('BEGIN')
  await storage.within?.(client).createOccurrences({ now: slotAt(1), owner, items: [triggerItem(held, 9)] })
  const creates = (items: readonly CreateItem[]) => storage.createOccurrences({ now: slotAt(2), owner, items })
  const settles = (items: readonly SettleItem[]) => storage.settle({ now: slotAt(2), items })
  const slots = [slotItem(held, 2), slotItem(free, 2), slotItem(third, 2)]
  const triggers = [triggerItem(free, 3), triggerItem(held, 3), triggerItem(third, 3)]
  for (const { call, jobs, outcome } of [
    { call: () => creates(slots), jobs: [held, free, third], outcome: 'created' },
    { call: () => creates(triggers), jobs: [free, held, third], outcome: 'created' },
    { call: () => settles([finishItem(held, 1), finishItem(free, 1)]), jobs: [held, free], outcome: 'ok' },
  ]) {
    const error = await Promise.resolve<unknown>(call()).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STORAGE_BUSY', message: expect.stringContaining('Another transaction') })
    const answers = partialAnswers.get(error as Error)
    expect(answers).toEqual(jobs.map((id) => (id === held ? null : expect.objectContaining({ outcome }))))
  }
  await client.query('COMMIT')
  const again = await storage.createOccurrences({ now: slotAt(2), owner, items: [slotItem(held, 2)] })
  expect(again).toMatchObject([{ outcome: 'created' }])
})

it('a claim takes occurrences of other jobs while a user’s transaction holds the job of a due occurrence', async () => {
  const storage = open({ pool: pool(), schema: newSchema(), commandTimeout: 60_000 })
  const jobs = [await addJob(storage, 'held'), await addJob(storage, 'free'), await addJob(storage, 'other')]
  const items = jobs.map(({ id }) => ({ ...slotItem(id, 1), runs: null }))
  await storage.createOccurrences({ now: slotAt(1), owner, items })
  const [held, ...others] = jobs.map(({ id }) => id) as [JobId, ...JobId[]]
  const client = await connection()
  await client.query('BEGIN')
  await storage.within?.(client).createOccurrences({ now: slotAt(1), owner, items: [triggerItem(held, 1)] })
  const claim = async () => {
    const request = { now: slotAt(2), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
    return (await storage.claim(request)).claimed.map(({ jobId }) => jobId)
  }
  expect(new Set(await claim())).toEqual(new Set(others))
  expect(await claim()).toEqual([])
  await client.query('COMMIT')
  expect(await claim()).toContain(held)
})

it('jobs continue to run while a user’s transaction that has triggered another job stays open', {
  timeout: 180_000,
}, async () => {
  const schema = newSchema()
  // The creation of the schema may take longer than the `commandTimeout` of the scheduler's storage.
  await open({ pool: pool(), schema, wakeUps: false }).get({ jobs: [] })
  const storage = open({ pool: pool(), schema, commandTimeout: 1500 })
  const ran = { held: 0, free: 0 }
  const jobs = (['held', 'free'] as const).map((name) =>
    defineJob({
      name,
      schedule: everySeconds(1),
      overlapPolicy: 'allow',
      tasks: [{ name: 'work', run: () => ran[name]++ }],
    }),
  )
  const scheduler = createScheduler({ storage, jobs, logger: silentLogger })
  await scheduler.start()
  try {
    await expect.poll(() => Math.min(ran.held, ran.free), { timeout: 20_000 }).toBeGreaterThan(0)
    const client = await connection()
    await client.query('BEGIN')
    await scheduler.trigger('held', { transaction: client })
    const before = ran.free
    await expect.poll(() => ran.free - before, { timeout: 30_000 }).toBeGreaterThan(5)
    expect(await scheduler.trigger('free', { timeout: 30_000 })).toMatchObject({ created: true })
    const heldBefore = ran.held
    await client.query('COMMIT')
    await expect.poll(() => ran.held - heldBefore, { timeout: 30_000 }).toBeGreaterThan(1)
  } finally {
    await scheduler.shutdown()
  }
})

describe('a commit that the storage has forbidden with `forbidCommit`', () => {
  let schema: string
  let storage: Storage

  beforeEach(async () => {
    schema = newSchema()
    storage = open({ pool: pool(), schema, wakeUps: false })
    await storage.get({ jobs: [] })
  })

  /** Runs the statements `first`, begins a transaction, and calls `forbidCommit` in it. Returns the connection. */
  async function forbidden(...first: readonly string[]): Promise<pg.PoolClient> {
    const client = await connection()
    for (const statement of first) await client.query(statement)
    await client.query('BEGIN')
    await client.query(`SET LOCAL lock_timeout = '1s'`)
    await storage.within?.(client).forbidCommit()
    return client
  }

  it('fails at once although another transaction whose commit is forbidden is still open', async () => {
    const clients = [await forbidden(), await forbidden(), await forbidden()]
    for (const client of clients) await expect(client.query('COMMIT')).rejects.toMatchObject({ code: '23503' })
  })

  it('still fails after a session with disabled database triggers has committed despite `forbidCommit`', async () => {
    const without = await forbidden('SET session_replication_role = replica')
    await without.query('COMMIT')
    await without.query('RESET session_replication_role')
    await expect((await forbidden()).query('COMMIT')).rejects.toMatchObject({ code: '23503' })
  })

  it('still fails if the answer to `forbidCommit` is lost', async () => {
    const client = await connection()
    await client.query('BEGIN')
    const deaf = {
      query: async (text: string, values?: unknown[]) => {
        await client.query(text, values)
        throw new Error('Query read timeout')
      },
    }
    await expect(storage.within?.(deaf).forbidCommit()).rejects.toThrow('Query read timeout')
    await expect(client.query('COMMIT')).rejects.toMatchObject({ code: '23503' })
  })

  it('fails even with immediate constraints and after two calls of `forbidCommit`', async () => {
    const client = await connection()
    await client.query('BEGIN')
    await client.query('SET CONSTRAINTS ALL IMMEDIATE')
    await storage.within?.(client).forbidCommit()
    await storage.within?.(client).forbidCommit()
    await expect(client.query('COMMIT')).rejects.toMatchObject({ code: '23503' })
  })
})
