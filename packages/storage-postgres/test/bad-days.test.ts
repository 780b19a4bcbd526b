import type { Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import pg from 'pg'
import { afterEach, describe, expect, inject, it } from 'vitest'
import type { PostgresConnection, PostgresPool } from '../src/index.ts'
import { addJob, finishItem, firstAttempt, minute, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { waitingLong } from './patient-locks.ts'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, proxy, query, schema: newSchema } = useSchemas()

const create = (storage: Storage, job: `job_${string}`, index = 1) =>
  storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(job, index)] })

/** Repeats a call while it exceeds the `commandTimeout` of its storage, because a busy machine may be slow to answer. */
async function inTime<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if ((error as { readonly field?: string }).field !== 'commandTimeout') throw error
    }
  }
}

/**
 * Wraps a pool. Each entry of `failures` has an error code and a pattern. Instead of the next statement that matches the
 * pattern, the server raises this error.
 */
function failing(real: pg.Pool, failures: { readonly on: RegExp; readonly code: string }[]): PostgresPool {
  const query = async (connection: PostgresConnection, text: string, values?: unknown[]) => {
    const place = failures.findIndex(({ on }) => on.test(text))
    if (place < 0) return await connection.query(text, values)
    const code = failures.splice(place, 1)[0]?.code
    // The server raises the error, so that the transaction is aborted as in a real failure.
    return await connection.query(`DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '${code}'; END $$`)
  }
  return {
    async connect() {
      const connection = await real.connect()
      return {
        query: async (text, values) => await query(connection, text, values),
        release: (broken) => connection.release(broken),
      }
    },
  }
}

describe('a serialization conflict in PostgreSQL', () => {
  it.each(['40P01', '40001'])(
    'with the code %s reaches no caller, because the storage repeats the step',
    async (code) => {
      const schema = newSchema()
      const failures = [/start_step/, /write_step/, /write_step/, /COMMIT/, /read_step/].map((on) => ({ on, code }))
      const storage = open({ pool: failing(pool(), failures), schema })
      const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
      expect(await create(storage, id)).toMatchObject([{ outcome: 'created', state: 'running', token: 1 }])
      expect(failures).toHaveLength(0)
      expect(await create(storage, id)).toMatchObject([{ outcome: 'exists', token: 1 }])
    },
  )

  it('in a read reaches no caller, because the storage repeats the read', async () => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
    const failures = [/\.jobs/, /\.history/, /INSERT INTO .*\.nodes/].map((on) => ({ on, code: '40001' }))
    const storage = open({ pool: failing(pool(), failures), schema })
    expect(await storage.listJobs({ limit: 1, cursor: null })).toMatchObject({ items: [{ id }] })
    expect(await storage.get({ occurrences: [slotItem(id, 1).id] })).toMatchObject({ occurrences: [null] })
    const own = { node: 'one', incarnation: 'first', counter: 1, startedAt: 1, leaving: false, about: {} }
    expect(await storage.heartbeat({ now: 1, own, remove: [], profilesOf: [] })).toMatchObject({ nodes: [own] })
    expect(failures).toHaveLength(0)
  })

  it('makes a call reject with STORAGE_BUSY if it occurs 100 times in the call', async () => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
    const failures = Array.from({ length: 100 }, () => ({ on: /(start|write)_step/, code: '40001' }))
    const storage = open({ pool: failing(pool(), failures), schema })
    await expect(create(storage, id)).rejects.toMatchObject({ code: 'STORAGE_BUSY', cause: { code: '40001' } })
  })
})

describe('an error of the PostgreSQL server', () => {
  it.each([
    ['53100', 'STORAGE_FULL'],
    ['53300', 'STORAGE_BUSY'],
    ['57014', 'STORAGE_BUSY'],
    ['55P03', 'STORAGE_BUSY'],
    ['25006', 'STORAGE_BUSY'],
    ['42501', 'STORAGE_UNREADABLE'],
    ['22003', 'STORAGE_FAILED'],
  ])('with the code %s makes a call reject as %s, and nothing is stored', async (code, meaning) => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha', 'queue')
    for (const [index, on] of [/(start|write)_step/, /write_step/].entries()) {
      // The first slot starts at once, so `start_step` creates it. The second slot waits for a claim, so `write_step`
      // creates it.
      const items = [{ ...slotItem(id, index + 1), ...(index === 1 && { runs: null }) }]
      // After a lock error of `start_step`, core's rules decide. After a lock error of a step, the storage tries the step again,
      // up to five times in total. So in these cases the test needs six failures and five failures.
      const times = code === '55P03' ? 6 - index : 1
      const failures = Array.from({ length: times }, () => ({ on, code }))
      const storage = open({ pool: failing(pool(), failures), schema })
      const call = () => storage.createOccurrences({ now: slotAt(index + 1), owner, items })
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: meaning, cause: { code }, remedy: expect.stringMatching(/\.$/) })
      expect(await call()).toMatchObject([{ outcome: 'created' }])
    }
  })

  it('that closes the connection during a statement makes the call reject, and the repeated call succeeds', async () => {
    const schema = newSchema()
    // The statement waits for the lock until the test ends its connection.
    const storage = open({ pool: waitingLong(pool(), /start_step/), schema, commandTimeout: 60_000 })
    const { id } = await addJob(storage, 'alpha')
    const holder = await connection()
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
    const waiting = create(storage, id).catch((reason: unknown) => reason)
    const blocked = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}"%'`
    await expect.poll(() => query(blocked)).toHaveLength(1)
    await query(`SELECT pg_terminate_backend(pid) FROM (${blocked}) b`)
    expect(await waiting).toMatchObject({ code: 'STORAGE_UNREACHABLE', cause: { code: '57P01' } })
    await holder.query('ROLLBACK')
    expect(await create(storage, id)).toMatchObject([{ outcome: 'created' }])
  })
})

describe('the time limits of a PostgreSQL call', () => {
  it('apply while the call waits for the lock of another transaction', async () => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
    const holder = await connection()
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
    const storage = open({ pool: pool(), schema, commandTimeout: 200 })
    await expect(create(storage, id)).rejects.toMatchObject({
      code: 'STORAGE_BUSY',
      field: 'commandTimeout',
      value: 200,
    })
    await holder.query('ROLLBACK')
  })

  it('leave no statement of an ended call in the server, even if that statement waits for a lock', {
    timeout: 60_000,
  }, async () => {
    const schema = newSchema()
    const patient = open({ pool: pool(), schema })
    const [id, far] = await Promise.all(
      ['alpha', 'beta'].map(async (name) => (await addJob(patient, name, 'allow')).id),
    )
    if (id === undefined || far === undefined) throw new Error('no jobs')
    // The next slot of this job is far away. So the storage does not store slot 1 in the job's head, but in a row of `live`.
    const alone = { ...slotItem(far, 1), nextAt: slotAt(200) }
    await patient.createOccurrences({ now: slotAt(1), owner, items: [alone] })
    await create(patient, id)
    await patient.settle({ now: slotAt(1), items: [finishItem(id, 1)] })
    const holder = await connection()
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM ${schema}.live FOR UPDATE`)
    await holder.query(`SELECT FROM ${schema}.heads WHERE id = $1 FOR UPDATE`, [id.slice(4)])
    const hasty = pool({ max: 2, application_name: schema })
    const storage = open({ pool: hasty, schema, commandTimeout: 1000, wakeUps: false })
    const trigger = { ...triggerItem(id, 2, slotAt(2)), runs: firstAttempt(slotAt(2)) }
    const paused = { at: slotAt(2), actor: null, reason: null }
    const calls = [
      () => create(storage, id, 2),
      () => storage.createOccurrences({ now: slotAt(2), owner, items: [trigger] }),
      () => storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'pause', id, paused }] }),
      () => storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'delete', id, expectedVersion: null }] }),
      () => storage.prune({ now: slotAt(9), jobId: id, before: slotAt(2), keep: 0, limit: 10 }),
      () => storage.settle({ now: slotAt(2), items: [finishItem(far, 1)] }),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'STORAGE_BUSY', field: 'commandTimeout', value: 1000 })
    }
    const waiting = `SELECT query FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`
    await expect.poll(() => query(waiting, [schema]), { timeout: 20_000 }).toEqual([])
    await holder.query('ROLLBACK')
    expect(await create(patient, id, 2)).toMatchObject([{ outcome: 'created' }])
    expect(await patient.settle({ now: slotAt(2), items: [finishItem(far, 1)] })).toMatchObject([{ outcome: 'ok' }])
  })

  it('apply while the pool has no free connection, and a connection that it provides late returns to the pool', async () => {
    const small = pool({ max: 1 })
    const storage = open({ pool: small, schema: newSchema(), commandTimeout: 200 })
    await addJob(open({ pool: small, schema: newSchema() }), 'alpha')
    const lent = await small.connect()
    await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
    lent.release()
    await expect.poll(() => small.idleCount).toBe(1)
  })

  it('apply while an answer is missing, and the storage does not use the connection of the missing answer again', async () => {
    const schema = newSchema()
    await addJob(open({ pool: pool(), schema }), 'alpha')
    const far = await proxy()
    const through = pool({ connectionString: far.url, max: 1 })
    const storage = open({ pool: through, schema, commandTimeout: 1000 })
    await inTime(() => storage.listJobs({ limit: 1, cursor: null }))
    far.loseAnswers()
    await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
    far.heal()
    const after = inTime(() => storage.listJobs({ limit: 1, cursor: null }))
    await expect(after).resolves.toMatchObject({ items: [{ name: 'alpha' }] })
  })

  it('include the driver’s query_timeout: the rejection says that the call may have taken effect, and the storage drops the connection', async () => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
    const hasty = pool({ max: 1, query_timeout: 4000 })
    // The server must still wait for the lock when the holder ends its transaction.
    const storage = open({ pool: hasty, schema, wakeUps: false, commandTimeout: 60_000 })
    await storage.listJobs({ limit: 1, cursor: null })
    const holder = await connection()
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
    const error = await create(storage, id).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STORAGE_UNREACHABLE', message: expect.stringContaining('Query read timeout') })
    expect(error).toMatchObject({ remedy: expect.stringContaining('may have taken effect') })
    expect(hasty.totalCount).toBe(0)
    // Another transaction still holds a lock on the head. `listJobs` nevertheless answers, because it does not wait for this
    // lock.
    expect((await storage.listJobs({ limit: 1, cursor: null })).items).toMatchObject([{ name: 'alpha' }])
    await holder.query('ROLLBACK')
    const occurrence = async () => (await storage.get({ occurrences: [slotItem(id, 1).id] })).occurrences[0]
    await expect.poll(occurrence).toMatchObject({ state: 'running', owner })
  })

  it('include the server’s statement_timeout: a call that exceeds this limit rejects with STORAGE_BUSY', async () => {
    const schema = newSchema()
    const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
    const holder = await connection()
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
    const storage = open({ pool: pool({ statement_timeout: 200 }), schema })
    await expect(create(storage, id)).rejects.toMatchObject({ code: 'STORAGE_BUSY', cause: { code: '57014' } })
    await holder.query('ROLLBACK')
  })
})

it('the process survives when idle connections break in a user’s pool without an error listener', async () => {
  const bare = new pg.Pool({ connectionString: inject('postgres').url, application_name: 'idle', max: 1 })
  const storage = open({ pool: bare, schema: newSchema(), wakeUps: false })
  await addJob(storage, 'alpha')
  await expect.poll(() => bare.idleCount).toBe(1)
  await query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idle'")
  await expect.poll(() => bare.totalCount).toBe(0)
  expect((await storage.listJobs({ limit: 1, cursor: null })).items).toHaveLength(1)
  await open({ pool: bare, schema: newSchema(), wakeUps: false }).listJobs({ limit: 1, cursor: null })
  expect(bare.listenerCount('error')).toBe(1)
  await storage.close()
  await bare.end()
})

it('the process survives when the server ends a user’s client that has no error listener', async () => {
  const client = new pg.Client({ connectionString: inject('postgres').url, application_name: 'single' })
  await client.connect()
  const storage = open({ client, schema: newSchema() })
  await addJob(storage, 'alpha')
  await open({ client, schema: newSchema() }).listJobs({ limit: 1, cursor: null })
  const ended = new Promise<void>((resolve) => client.once('end', resolve))
  await query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'single'")
  await ended
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' })
  expect(client.listenerCount('error')).toBe(1)
})

it.each([
  ['open', 'SELECT 1'],
  ['failed', 'SELECT 1 / 0'],
])('a call commits its writes although its connection was released within a transaction: %s', async (_, text) => {
  const schema = newSchema()
  const shared = pool({ max: 1 })
  const storage = open({ pool: shared, schema, wakeUps: false })
  const { id } = await addJob(storage, 'alpha')
  const leak = await shared.connect()
  await leak.query('BEGIN')
  // Expected here: an error of the statement, which makes the open transaction a failed one.
  await leak.query(text).catch(() => {})
  leak.release()
  expect(await create(storage, id)).toMatchObject([{ outcome: 'created' }])
  const { occurrences } = await open({ pool: pool(), schema }).get({ occurrences: [slotItem(id, 1).id] })
  expect(occurrences).toMatchObject([{ state: 'running' }])
})

it('a read from a read-only server succeeds, and a write rejects with STORAGE_BUSY', async () => {
  const schema = newSchema()
  const { id } = await addJob(open({ pool: pool(), schema }), 'alpha')
  const standby = pool({ options: '-c default_transaction_read_only=on' })
  const storage = open({ pool: standby, schema })
  expect(await storage.get({ jobs: [id] })).toMatchObject({ jobs: [{ id }] })
  await expect(create(storage, id)).rejects.toMatchObject({ code: 'STORAGE_BUSY', cause: { code: '25006' } })
})

it('the storage works with the default isolation level serializable', async () => {
  const schema = newSchema()
  const strict = pool({ options: '-c default_transaction_isolation=serializable' })
  const storages = Array.from({ length: 4 }, () => open({ pool: strict, schema }))
  const { id } = await addJob(storages[0] as Storage, 'alpha', 'queue')
  for (let index = 1; index <= 10; index++) {
    const answers = await Promise.all(storages.map(async (storage) => await create(storage, id, index)))
    expect(answers.flat().filter(({ outcome }) => outcome === 'created')).toHaveLength(1)
  }
})

describe('a PostgreSQL server', () => {
  let server: PostgresServer | null = null
  const own: pg.Pool[] = []

  afterEach(async () => {
    for (const one of own.splice(0)) await one.end()
    await server?.stop()
    server = null
  })

  async function start(config: Record<string, string> = {}) {
    // Only the processes of the server end, and not its machine. So acknowledged writes need no flush.
    const started = await startPostgres({ config: { fsync: 'off', full_page_writes: 'off', ...config } })
    server = started
    const through = new pg.Pool({ connectionString: started.url })
    through.on('error', () => {})
    own.push(through)
    return { started, through }
  }

  it('has lost no acknowledged write after a crash, and still lists each node with its last heartbeat', async () => {
    const { started, through } = await start()
    const storage = open({ pool: through })
    const jobs = await Promise.all(
      Array.from({ length: 3 }, async (_, index) => await addJob(storage, `job-${index}`, 'queue')),
    )
    const node = { node: 'a', incarnation: 'a-1', startedAt: 1, leaving: false, about: {} }
    const beat = (counter: number, more = {}) =>
      storage.heartbeat({ now: 1, own: { ...node, counter }, remove: [], profilesOf: ['a-1'], ...more })
    await beat(1, { profile: { handlers: ['x'] } })
    const last = 12
    let done = 0
    let crash: () => void = () => {}
    const half = new Promise<void>((resolve) => {
      crash = resolve
    })
    const again = async <T>(call: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await call()
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^STORAGE_(BUSY|UNREACHABLE)$/) })
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
      }
    }
    const writers = jobs.map(async ({ id }) => {
      for (let index = 1; index <= last; index++) {
        const [created] = await again(() => create(storage, id, index))
        // If the answer to the first create was lost, the repeated create finds the record of the first create.
        expect(created).toMatchObject({ outcome: expect.stringMatching(/created|exists/), state: 'running', token: 1 })
        const [settled] = await again(() => storage.settle({ now: slotAt(index) + 20, items: [finishItem(id, index)] }))
        expect(settled?.outcome).toBe('ok')
        if (++done === 9) crash()
      }
    })
    const written = Promise.all(writers)
    await Promise.race([half, written])
    await started.kill()
    await started.restart()
    await written
    const slots = (_: unknown, after: number, until: number) =>
      Array.from(
        { length: Math.max(0, Math.floor((until - after) / minute)) },
        (__, index) => after + (index + 1) * minute,
      )
    await assertLedger(storage, { atRest: true, slots })
    expect((await storage.heartbeat({ now: 2, own: null, remove: [], profilesOf: [] })).nodes).toEqual([
      { ...node, counter: 1 },
    ])
    expect(await beat(2)).toEqual({ nodes: [{ ...node, counter: 2 }], profiles: [{ handlers: ['x'] }] })
  }, 120_000)

  it('makes a call reject with STORAGE_BUSY if it has no free connection', async () => {
    const { through } = await start({ max_connections: '10', superuser_reserved_connections: '3' })
    await through.query('CREATE ROLE common LOGIN')
    await through.query('GRANT CREATE ON DATABASE postgres TO common')
    const url = `postgres://common@${server?.host}:${server?.port}/postgres`
    const many = new pg.Pool({ connectionString: url, max: 20 })
    own.push(many)
    many.on('error', () => {})
    const storage = open({ pool: many, wakeUps: false })
    await addJob(storage, 'alpha')
    const lent: pg.PoolClient[] = []
    try {
      for (;;) lent.push(await many.connect())
    } catch (error) {
      expect(error).toMatchObject({ code: '53300' })
    }
    const answer = await storage.listJobs({ limit: 1, cursor: null }).catch((reason: unknown) => reason)
    for (const one of lent) one.release()
    expect(answer).toMatchObject({ code: 'STORAGE_BUSY', cause: { code: '53300' } })
    await expect(storage.listJobs({ limit: 1, cursor: null })).resolves.toMatchObject({ items: [{ name: 'alpha' }] })
  })
})
