import { type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type pg from 'pg'
import { beforeEach, expect, it } from 'vitest'
import { addJob, finishItem, minute, owner, slotAt, slotItem, start } from '@jobistemer/test-kit'
import { useSchemas } from './schemas.ts'

const { open, pool, query, schema: newSchema } = useSchemas()

interface Activity {
  readonly relname: string
  readonly seq_tup_read: number
  readonly n_tup_ins: number
  readonly n_tup_upd: number
  readonly n_tup_hot_upd: number
  /** Number of scans of the table's indexes. */
  readonly idx_scan: number
}

let schema: string
let mine: pg.Pool
let storage: Storage

beforeEach(() => {
  schema = newSchema()
  // A pool of one connection, which keeps the plans that it made while the tables were empty.
  mine = pool({ max: 1 })
  storage = open({ pool: mine, schema, wakeUps: false })
})

/** The server publishes a connection's statistics at the latest when the connection ends. */
async function activity(): Promise<Record<string, Activity>> {
  await storage.close()
  const pid = (await mine.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
  // Expected here: the query rejects, because the server ends the query's own connection.
  await mine.query('SELECT pg_terminate_backend($1)', [pid]).catch(() => {})
  await expect.poll(() => query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).toHaveLength(0)
  const rows = await query(
    `SELECT relname, seq_tup_read::int, n_tup_ins::int, n_tup_upd::int, n_tup_hot_upd::int, idx_scan::int FROM pg_stat_user_tables WHERE schemaname = $1`,
    [schema],
  )
  return Object.fromEntries((rows as Activity[]).map((row) => [row.relname, row]))
}

async function fill(job: string): Promise<void> {
  const values = `0, 1, 1, 0, 1, ${start}, ${start}, ${start}, 60000`
  await query(
    `INSERT INTO ${schema}.history (id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, due_at, created_at,
       started_at, timeout, finished_at)
     SELECT gen_random_uuid(), $1, ${start} - n * ${minute}, 5, ${values}, ${start} FROM generate_series(1, 8000) n`,
    [job.slice(4)],
  )
  await query(
    `INSERT INTO ${schema}.live (id, job, order_at, state, kind, token, sequence, rescues, job_version, due_at, created_at,
       started_at, timeout)
     SELECT gen_random_uuid(), gen_random_uuid(), ${start} - n * ${minute}, 3, ${values} FROM generate_series(1, 2000) n`,
  )
  await query(
    `INSERT INTO ${schema}.heads (id, revision, watermark, top, max_queued, version, pending, delayed, queued, running, policy, handler_key)
     SELECT gen_random_uuid(), 0, ${start}, ${start}, 1, 1, 0, 0, 0, 0, 0, 'other' FROM generate_series(1, 2000) n`,
  )
}

it('no call of a node reads the whole history, all waiting occurrences or all jobs', async () => {
  const { id } = await addJob(storage, 'alpha', 'queue')
  const round = async (index: number) => {
    const now = slotAt(index)
    const item = slotItem(id, index)
    await storage.createOccurrences({ now, owner, items: [item] })
    const waiting = {
      ...slotItem(id, index),
      kind: 'trigger',
      id: `occ_${id.slice(4, -3)}${100 + index}`,
      dueAt: now,
    } as const
    await storage.createOccurrences({ now, owner, items: [{ ...waiting, runs: null }] })
    const [settled] = await storage.settle({ now: now + 20, items: [finishItem(id, index)] })
    expect(settled).toMatchObject({ outcome: 'ok', woken: { id: waiting.id } })
    const { claimed } = await storage.claim({ now: now + 30, owner, limit: 9, exceptHandlerKeys: [], sweep: true })
    expect(claimed).toMatchObject([{ id: waiting.id, token: 1 }])
    const finish = { ...finishItem(id, index), id: waiting.id, scheduledAt: now }
    expect(await storage.settle({ now: now + 40, items: [finish] })).toMatchObject([{ outcome: 'ok' }])
    const { occurrences, latest, counts } = await storage.get({
      occurrences: [item.id],
      latest: [id],
      counts: [id, 'all'],
    })
    const none = { pending: 0, queued: 0, running: 0 }
    expect({ occurrences, latest, counts }).toMatchObject({ occurrences: [{ id: item.id }], counts: [none, none] })
    expect(latest[0]?.scheduledAt).toBe(now)
    const page = { limit: 5, cursor: null, order: 'descending', runs: true } as const
    expect(await storage.listOccurrences({ kind: 'job', jobId: id, ...page })).toMatchObject({
      items: { length: 2 + Math.min(index - 1, 1) * 3 },
    })
    expect((await storage.listOccurrences({ kind: 'failed', ...page })).items).toHaveLength(0)
    expect((await storage.listOccurrences({ kind: 'live', state: 'running', ...page })).items).toHaveLength(0)
  }
  await round(1)
  await fill(id)
  for (let index = 2; index <= 6; index++) await round(index)
  const { heads, history, live } = await activity()
  // Usually PostgreSQL reads these tables only by indexes. But in the first round, the tables were nearly empty, and PostgreSQL
  // may have read them by sequential scans. Such scans read few rows, so the test permits up to 49 rows instead of 0.
  expect(history?.seq_tup_read).toBeLessThan(50)
  expect(live?.seq_tup_read).toBeLessThan(50)
  expect(heads?.seq_tup_read).toBeLessThan(50)
})

it('the end and the progress of an occurrence change no index of the tables `heads` and `live`', async () => {
  const jobs = await Promise.all(Array.from({ length: 20 }, async (_, index) => await addJob(storage, `job-${index}`)))
  await storage.createOccurrences({ now: slotAt(1), owner, items: jobs.map(({ id }) => slotItem(id, 1)) })
  const progress = jobs.map(({ id }) => ({ ...finishItem(id, 1), change: { kind: 'progress' } as const }))
  await storage.settle({ now: slotAt(1) + 10, items: progress })
  await storage.settle({ now: slotAt(1) + 20, items: jobs.map(({ id }) => ({ ...finishItem(id, 1), sequence: 2 })) })
  const { heads, live, history } = await activity()
  expect(live).toMatchObject({ n_tup_upd: 20, n_tup_hot_upd: 20 })
  // Each of the 20 heads is updated four times. Only two of these updates may change an index: at the creation of the
  // job, and when the next instant moves. So at least 40 updates must change no index.
  expect(heads?.n_tup_upd).toBe(80)
  expect(heads?.n_tup_hot_upd).toBeGreaterThanOrEqual(40)
  expect(history?.n_tup_upd).toBe(0)
})

it('slots that PostgreSQL stores in the heads of their jobs create rows only in the history', async () => {
  const jobs = await Promise.all(Array.from({ length: 10 }, async (_, index) => await addJob(storage, `job-${index}`)))
  for (let second = 0; second < 8; second++) {
    const now = slotAt(1) + second * 1000
    const items = jobs.map(({ id }) => {
      return { ...slotItem(id, 1), id: occurrenceId(id, now), scheduledAt: now, nextAt: now + 1000 }
    })
    await storage.createOccurrences({ now, owner, items })
    const ends = items.map(({ id, jobId }) => ({ ...finishItem(jobId, 1), id, scheduledAt: now }))
    for (const { outcome } of await storage.settle({ now: now + 20, items: ends })) expect(outcome).toBe('ok')
  }
  const { heads, live, history } = await activity()
  expect(live?.n_tup_ins).toBe(0)
  expect(history?.n_tup_ins).toBe(80)
  // Each of the 10 heads is updated 17 times: at the creation of the job, and at the start and the end of 8 slots. Two
  // of these updates change an index: at the creation of the job, and at its first start.
  expect(heads).toMatchObject({ n_tup_upd: 170, n_tup_hot_upd: 150 })
})

it('a call finds jobs and occurrences by an index even if the tables were nearly empty at the last vacuum', async () => {
  await addJob(storage, 'first')
  // After the vacuum, the planner assumes that `heads` and `live` have few rows.
  await query(`VACUUM ANALYZE ${schema}.heads`)
  const ids = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => (await addJob(storage, `job-${index}`)).id),
  )
  const begin = async (index: number) => {
    await storage.createOccurrences({ now: slotAt(index), owner, items: ids.map((id) => slotItem(id, index)) })
  }
  const finish = async (index: number, more: object = {}) => {
    const items = ids.map((id) => ({ ...finishItem(id, index), ...more }))
    for (const { outcome } of await storage.settle({ now: slotAt(index) + 9, items })) expect(outcome).toBe('ok')
  }
  await begin(1)
  await finish(1)
  await query(`VACUUM ANALYZE ${schema}.live`)
  const before = await activity()
  storage = open({ pool: mine, schema, wakeUps: false })
  for (const index of [2, 3]) {
    await begin(index)
    // The first call stores progress: a step reads the occurrence before it writes. The second call ends the occurrence: a
    // function writes without reading the occurrence first.
    await finish(index, { change: { kind: 'progress' } })
    await finish(index, { sequence: 2 })
  }
  const after = await activity()
  // Each of the six calls looks up about a hundred rows, and each look-up counts as one index scan. A scan of the whole
  // index counts only once. So hundreds of scans show that the calls use look-ups.
  for (const table of ['live', 'heads']) {
    expect((after[table]?.idx_scan ?? 0) - (before[table]?.idx_scan ?? 0)).toBeGreaterThanOrEqual(400)
  }
})

it('reads and removals by id use an index even if the tables were nearly empty at the last vacuum', async () => {
  const { id } = await addJob(storage, 'alpha')
  for (const table of ['live', 'history']) await query(`ALTER TABLE ${schema}.${table} SET (autovacuum_enabled = off)`)
  await fill(id)
  for (const table of ['live', 'history']) {
    // The deletes use the connection that ends below, because another connection would publish its statistics up to 1 s
    // later.
    await mine.query(`DELETE FROM ${schema}.${table} WHERE ctid <> (SELECT max(ctid) FROM ${schema}.${table})`)
    await query(`VACUUM ANALYZE ${schema}.${table}`)
  }
  // Since the vacuum, the planner assumes that both tables have few rows in many pages. The calls below must still use
  // an index.
  await fill(id)
  const idsOf = async (table: string) => {
    const { rows } = await mine.query(`SELECT id FROM ${schema}.${table} LIMIT 500`)
    return rows.map((row): OccurrenceId => `occ_${row.id}`)
  }
  const [live, history] = [await idsOf('live'), await idsOf('history')]
  const before = await activity()
  storage = open({ pool: mine, schema, wakeUps: false })
  for (const occurrences of [live.slice(0, 1), history.slice(0, 1), live.slice(0, 20), live, history]) {
    expect((await storage.get({ occurrences })).occurrences.every((record) => record !== null)).toBe(true)
  }
  const pruned = await storage.prune({ now: start, jobId: id, before: start - minute, keep: 0, limit: 300 })
  expect(pruned.removed).toBeGreaterThanOrEqual(300)
  const after = await activity()
  for (const table of ['live', 'history']) {
    expect((after[table]?.seq_tup_read ?? 0) - (before[table]?.seq_tup_read ?? 0)).toBeLessThan(50)
  }
})

it('a read of occurrences without their task runs does not transfer the results of tasks', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  await storage.createOccurrences({ now: slotAt(2), owner, items: [slotItem(id, 2)] })
  const change = { kind: 'finish', state: 'failed', reason: null } as const
  const finish = { ...finishItem(id, 1), change }
  await storage.settle({ now: slotAt(3), items: [finish] })
  const received: unknown[] = []
  const recording = {
    async connect() {
      const connection = await mine.connect()
      return {
        async query(text: string, values?: unknown[]) {
          const answer = await connection.query(text, values)
          received.push(...answer.rows.flatMap(({ runs }) => runs ?? []))
          return answer
        },
        release: (broken?: Error | boolean) => connection.release(broken),
      }
    },
  }
  const watched = open({ pool: recording, schema, wakeUps: false })
  const page = { jobId: id, order: 'ascending', limit: 10, cursor: null } as const
  const read = async (runs: boolean) => {
    const ofJob = await watched.listOccurrences({ ...page, kind: 'job', runs })
    const ended = await watched.listOccurrences({ ...page, kind: 'job', states: ['failed'], runs })
    const failed = await watched.listOccurrences({ ...page, kind: 'failed', runs })
    const running = await watched.listOccurrences({ kind: 'live', state: 'running', limit: 10, cursor: null, runs })
    return [ofJob, ended, failed, running].map(({ items }) => items.length)
  }
  expect(await read(true)).toEqual([2, 1, 1, 1])
  expect(received).toHaveLength(5)
  received.length = 0
  expect(await read(false)).toEqual([2, 1, 1, 1])
  expect((await watched.get({ latest: [id] })).latest).toMatchObject([{ id: finish.id, runs: [] }])
  expect(received).toEqual([])
})
