import type { JobId } from '@jobistemer/core'
import type { CreateSlot, OccurrenceRecord, Page, Storage, StorageWithin } from '@jobistemer/core/storage'
import { addJob, finishItem, firstAttempt, minute, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { beforeEach, describe, expect, it } from 'vitest'
import { mayStandInHead } from '../src/in-head.ts'
import { waitingLong } from './patient-locks.ts'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, query, schema: newSchema } = useSchemas()

let schema: string
let storage: Storage
/** The statements that the storage has sent to the server in this test. */
let sent: string[]

beforeEach(() => {
  schema = newSchema()
  sent = []
  const heard = pool()
  heard.on('connect', (client) => {
    const send = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
    Object.assign(client, {
      query: (text: string, ...rest: unknown[]) => {
        sent.push(text)
        return send(text, ...rest)
      },
    })
  })
  storage = open({ pool: heard, schema, wakeUps: false })
})

const begin = async (items: readonly CreateSlot[]) => {
  const answers = await storage.createOccurrences({ now: items[0]?.scheduledAt ?? 0, owner, items })
  for (const answer of answers) expect(answer).toMatchObject({ outcome: 'created', state: 'running', token: 1 })
}

const finish = async (ids: readonly JobId[], index: number, more: object = {}) => {
  const items = ids.map((id) => ({ ...finishItem(id, index), ...more }))
  for (const answer of await storage.settle({ now: slotAt(index) + 20, items })) expect(answer.outcome).toBe('ok')
}

/** Returns the ids of all occurrences that have rows in `live`. */
async function inLive(): Promise<readonly string[]> {
  const rows = await query(`SELECT 'occ_' || id AS id FROM ${schema}.live ORDER BY id`)
  return rows.map(({ id }) => id)
}

async function runningPages(more: object, after: string | null = null): Promise<readonly OccurrenceRecord[]> {
  const found: OccurrenceRecord[] = []
  let cursor = after
  do {
    const page: Page<OccurrenceRecord> = await storage.listOccurrences({
      kind: 'live',
      state: 'running',
      runs: true,
      limit: 7,
      cursor,
      ...more,
    })
    found.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

it('the PostgreSQL storage starts and ends slots without first reading rows, even if the slots are far apart in time', async () => {
  const jobs = await Promise.all(['near', 'far', 'long'].map(async (name) => (await addJob(storage, name)).id))
  const [near, far, long] = jobs as [JobId, JobId, JobId]
  sent.length = 0
  const trace = { traceId: 'a'.repeat(600), spanId: 'b' }
  await begin([
    slotItem(near, 1),
    { ...slotItem(far, 1), nextAt: slotAt(200) },
    { ...slotItem(long, 1), details: { trace } as unknown as CreateSlot['details'] },
  ])
  expect(await inLive()).toEqual([slotItem(far, 1).id, slotItem(long, 1).id].sort())
  await finish(jobs, 1)
  expect(sent.filter((text) => !/_step\(/.test(text))).toEqual([])
  expect(sent.filter((text) => /read_step|write_step/.test(text))).toEqual([])
  const ids = jobs.map((id) => slotItem(id, 1).id)
  const { occurrences } = await storage.get({ occurrences: ids })
  for (const record of occurrences) {
    expect(record).toMatchObject({ state: 'completed', sequence: 1, startedAt: slotAt(1), owner, dueAt: slotAt(1) })
  }
  expect(occurrences[2]?.details).toEqual({ trace })
})

describe('slots that start in one call', () => {
  const names = ['one', 'two', 'three', 'four', 'five', 'six']
  let ids: readonly JobId[]

  beforeEach(async () => {
    ids = (await Promise.all(names.map((name) => addJob(storage, name, 'allow')))).map(({ id }) => id)
    await begin(ids.map((id) => slotItem(id, 1)))
    await finish(ids.slice(2), 1)
    // From now on, occurrences of this job are stored in `live`, never in the head of the job.
    await query(`UPDATE ${schema}.heads SET run_state = 2 WHERE 'job_' || id = $1`, [ids[2]])
    sent.length = 0
  })

  it('are stored in the table `live` if the head of their job cannot store them', async () => {
    await begin(ids.map((id) => slotItem(id, 2)))
    expect(sent).toEqual([expect.stringContaining('start_step')])
    expect(await inLive()).toEqual(
      ids
        .slice(0, 3)
        .map((id) => slotItem(id, 2).id)
        .sort(),
    )
    await finish(ids, 2)
    await finish(ids.slice(0, 2), 1)
    expect(await inLive()).toEqual([])
  })

  it('do not wait for a slot of a job whose head another transaction has locked', async () => {
    const client = await connection()
    await client.query(`BEGIN; SELECT FROM ${schema}.heads WHERE 'job_' || id = '${ids[1]}' FOR UPDATE`)
    // After `start_step` has waited in vain, steps by core's rules start the slots. The step that waits must not give up.
    const patient = open({ pool: waitingLong(pool(), /_step/), schema, wakeUps: false, commandTimeout: 60_000 })
    const call = patient.createOccurrences({ now: slotAt(2), owner, items: ids.map((id) => slotItem(id, 2)) })
    const started = async () => (await query(`SELECT FROM ${schema}.heads WHERE watermark = $1`, [slotAt(2)])).length
    await expect.poll(started).toBe(5)
    await client.query('COMMIT')
    for (const answer of await call) expect(answer).toMatchObject({ outcome: 'created', state: 'running', token: 1 })
    expect(await started()).toBe(6)
  })

  it('do not hold the lock of one head while they wait for another head', async () => {
    const [taken, free] = [ids[0], ids[3]] as [JobId, JobId]
    const [starter, holder] = [await connection(), await connection()]
    const lock = (id: JobId) => holder.query(`SELECT FROM ${schema}.heads WHERE 'job_' || id = '${id}' FOR UPDATE`)
    const waiting = async (): Promise<number> => {
      const blocked = `cardinality(pg_blocking_pids(pid)) > 0 AND query LIKE '%${schema}%'`
      return (await query(`SELECT pid FROM pg_stat_activity WHERE ${blocked}`)).length
    }
    await starter.query(
      `BEGIN; UPDATE ${schema}.heads SET watermark = ${slotAt(2)}, top = ${slotAt(2)}, next_at = ${slotAt(3)}
       WHERE 'job_' || id = '${free}'`,
    )
    const items = [slotItem(taken, 2), slotItem(free, 2)]
    const patient = open({ pool: waitingLong(pool(), /start_step/), schema, wakeUps: false, commandTimeout: 60_000 })
    const call = patient.createOccurrences({ now: slotAt(2), owner, items })
    await expect.poll(waiting).toBe(1)
    await holder.query(`BEGIN; SET LOCAL deadlock_timeout = '20ms'`)
    await lock(taken)
    const locking = lock(free)
    await expect.poll(waiting).toBe(2)
    await starter.query('COMMIT')
    await locking
    await holder.query('COMMIT')
    expect((await call).map(({ outcome }) => outcome)).toEqual(['created', 'off_schedule'])
  })

  it('start only once, even if another node has already started some of them', async () => {
    await begin(ids.slice(1, 4).map((id) => slotItem(id, 2)))
    const other = { node: 'other', incarnation: 'other' }
    const items = ids.map((id) => slotItem(id, 2))
    const answers = await storage.createOccurrences({ now: slotAt(2), owner: other, items })
    expect(answers.map(({ outcome }) => outcome)).toEqual(
      ids.map((_, index) => (index >= 1 && index < 4 ? 'exists' : 'created')),
    )
    expect((await storage.get({ counts: ['all'] })).counts).toMatchObject([{ running: 8 }])
  })
})

it('the first calls of a node on PostgreSQL do not wait for each other', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  const fresh = { node: 'fresh', incarnation: 'fresh-1' }
  // The server would detect a deadlock only after 60 s, so a deadlock of two calls would last until one of them gives up.
  const slow = pool({ options: '-c deadlock_timeout=60s' })
  const patient = open({ pool: slow, schema, wakeUps: false, commandTimeout: 40_000 })
  await patient.get({ jobs: [id] })
  const client = await connection()
  await client.query(`BEGIN; SELECT FROM ${schema}.heads FOR UPDATE`)
  const waiting = async (): Promise<number> => {
    const blocked = `cardinality(pg_blocking_pids(pid)) > 0 AND query LIKE '%${schema}%'`
    return (await query(`SELECT pid FROM pg_stat_activity WHERE ${blocked}`)).length
  }
  const trigger = { ...triggerItem(id, 1, slotAt(1)), runs: firstAttempt(slotAt(1)) }
  const triggered = patient.createOccurrences({ now: slotAt(1), owner: fresh, items: [trigger] })
  await expect.poll(waiting).toBe(1)
  const started = patient.createOccurrences({ now: slotAt(1), owner: fresh, items: [slotItem(id, 1)] })
  await expect.poll(waiting).toBe(2)
  await client.query('COMMIT')
  for (const answer of [...(await triggered), ...(await started)]) {
    expect(answer).toMatchObject({ outcome: 'created', state: 'running', token: 1 })
  }
})

it('node and PostgreSQL server apply the same rule to decide whether a slot is stored in the head of its job', () => {
  const at = slotAt(1)
  expect(mayStandInHead(at, at + 89_999, [null, 'x'.repeat(500)])).toBe(true)
  expect(mayStandInHead(at, at + 90_000, [null, null])).toBe(false)
  expect(mayStandInHead(at, null, [null, null])).toBe(false)
  expect(mayStandInHead(at, at + 1, ['x', 'x'.repeat(500)])).toBe(false)
  expect(mayStandInHead(at, at + 1, ['ä'.repeat(100), 'x'.repeat(300)])).toBe(true)
  expect(mayStandInHead(at, at + 1, ['ä'.repeat(101), 'x'.repeat(300)])).toBe(false)
})

it('a running occurrence is listed once, even if it moves from the head of its job to the table `live` between two pages', async () => {
  const ids = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => (await addJob(storage, `job-${index}`)).id),
  )
  await begin(ids.map((id) => slotItem(id, 1)))
  const moved = ids.filter((_, index) => index % 2 === 0)
  await finish(moved, 1, { change: { kind: 'progress' } })
  expect(await inLive()).toHaveLength(15)
  const all = ids.map((id) => slotItem(id, 1).id).sort()
  const idsOf = (records: readonly OccurrenceRecord[]) => records.map(({ id }) => id).sort()
  expect(idsOf(await runningPages({}))).toEqual(all)
  expect(idsOf(await runningPages({ node: owner.node }))).toEqual(all)
  expect(await runningPages({ node: 'another' })).toEqual([])
  const deadline = slotAt(1) + 10 * minute
  expect(idsOf(await runningPages({ deadlineBefore: deadline }))).toEqual(all)
  expect(await runningPages({ deadlineBefore: deadline - 1 })).toEqual([])

  const first = await storage.listOccurrences({ kind: 'live', state: 'running', runs: false, limit: 11, cursor: null })
  const [last] = first.items.slice(-1) as [OccurrenceRecord]
  await finish([last.jobId], 1, { sequence: moved.includes(last.jobId) ? 2 : 1, change: { kind: 'progress' } })
  const rest = await runningPages({}, first.cursor)
  expect(idsOf([...first.items, ...rest.filter(({ id }) => !first.items.some((one) => one.id === id))])).toEqual(all)

  const { occurrences, counts } = await storage.get({ occurrences: all, counts: ['all'] })
  expect(occurrences.map((record) => record?.state)).toEqual(all.map(() => 'running'))
  expect(counts).toMatchObject([{ running: 30 }])
})

it('a read of the running occurrences that are stored in heads does not scan the heads of all jobs', async () => {
  const { id } = await addJob(storage, 'alpha')
  await query(
    `INSERT INTO ${schema}.heads (id, revision, watermark, top, max_queued, version, pending, delayed, queued, running, policy, handler_key)
     SELECT gen_random_uuid(), 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 'other' FROM generate_series(1, 20000)`,
  )
  await query(`ANALYZE ${schema}.heads`)
  await begin([slotItem(id, 1)])
  const read = async () => {
    const rows = await query(
      `SELECT seq_tup_read::int AS read FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'heads'`,
      [schema],
    )
    return rows[0].read
  }
  const before = await read()
  expect((await storage.get({ occurrences: [slotItem(id, 1).id] })).occurrences[0]).toMatchObject({ state: 'running' })
  expect(await runningPages({})).toHaveLength(1)
  const page = { order: 'ascending', runs: true, limit: 5, cursor: null } as const
  expect((await storage.listOccurrences({ kind: 'job', jobId: id, ...page })).items).toMatchObject([
    { id: slotItem(id, 1).id, state: 'running', owner },
  ])
  await storage.close()
  await expect.poll(async () => (await read()) - before).toBeLessThan(20_000)
})

it('a completion in a transaction moves its occurrence from the head of the job to the table `live`, and later slots are stored there too', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  await begin([slotItem(id, 1)])
  expect(await inLive()).toEqual([])
  const client = await connection()
  await client.query('BEGIN')
  const within = storage.within?.(client) as StorageWithin
  const item = { ...finishItem(id, 1), change: { kind: 'progress' } } as const
  expect(await within.settle({ now: slotAt(1), items: [item] })).toMatchObject([{ outcome: 'ok' }])
  await begin([slotItem(id, 2)])
  await client.query('COMMIT')
  expect(await inLive()).toEqual([slotItem(id, 1).id, slotItem(id, 2).id].sort())
  await finish([id], 1, { sequence: 2 })
  await finish([id], 2)
})

it('a completion in a transaction succeeds even if that transaction has locked the head of the job and no connection is free', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  const { id: other } = await addJob(storage, 'beta', 'allow')
  const small = pool({ max: 1 })
  const crowded = open({ pool: small, schema, wakeUps: false })
  await crowded.get({ jobs: [id] })
  await begin([slotItem(id, 1), slotItem(other, 1)].sort((left, right) => (left.jobId < right.jobId ? -1 : 1)))
  const client = await connection()
  await client.query('BEGIN')
  await client.query(`SELECT FROM ${schema}.heads WHERE id = $1 FOR UPDATE`, [id.slice(4)])
  const complete = async (within: StorageWithin | undefined, job: JobId) => {
    const item = { ...finishItem(job, 1), change: { kind: 'progress' } } as const
    return await within?.settle({ now: slotAt(1), items: [item] })
  }
  expect(await complete(storage.within?.(client), id)).toMatchObject([{ outcome: 'ok' }])
  await client.query('COMMIT')
  const only = await small.connect()
  await only.query('BEGIN')
  expect(await complete(crowded.within?.(only), other)).toMatchObject([{ outcome: 'ok' }])
  await only.query('COMMIT')
  only.release()
  const { occurrences } = await storage.get({ occurrences: [id, other].map((job) => slotItem(job, 1).id) })
  expect(occurrences).toMatchObject([{ sequence: 1 }, { sequence: 1 }])
})

it('the first completion of a job under REPEATABLE READ rejects with STORAGE_BUSY, and succeeds when repeated', async () => {
  const { id } = await addJob(storage, 'alpha')
  await begin([slotItem(id, 1)])
  const client = await connection()
  const complete = async () => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await client.query('SELECT 1')
    const within = storage.within?.(client) as StorageWithin
    const item = { ...finishItem(id, 1), change: { kind: 'progress' } } as const
    return await within.settle({ now: slotAt(1), items: [item] })
  }
  await expect(complete()).rejects.toMatchObject({ code: 'STORAGE_BUSY', message: expect.stringContaining('40001') })
  await client.query('ROLLBACK')
  expect(await complete()).toMatchObject([{ outcome: 'ok' }])
  await client.query('COMMIT')
  const { occurrences } = await storage.get({ occurrences: [slotItem(id, 1).id] })
  expect(occurrences).toMatchObject([{ state: 'running', sequence: 1 }])
})
