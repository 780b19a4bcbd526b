import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { startPgBouncer } from '@jobistemer/test-servers'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import pg from 'pg'
import { afterEach, expect, inject, it, vi } from 'vitest'
import type { PostgresPool } from '../src/index.ts'
import { useSchemas } from './schemas.ts'

const { connection, open, pool, schema } = useSchemas()

afterEach(() => void vi.restoreAllMocks())

interface Sent {
  readonly name: string | undefined
  readonly text: string
  readonly values: readonly unknown[]
}

/** Records the statements that the driver receives from now on, by default only calls of `start_step` and `end_step`. */
function listen(of = /SELECT .*(start|end)_step/): readonly Sent[] {
  const sent: Sent[] = []
  const send = pg.Client.prototype.query
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...given: unknown[]) {
    const [first, values] = given as [string | { name: string; text: string }, unknown[]]
    const { name, text } = typeof first === 'string' ? { name: undefined, text: first } : first
    if (of.test(text)) sent.push({ name, text, values })
    return (send as (...given: unknown[]) => unknown).apply(this, given)
  } as never)
  return sent
}

async function runSlots(storage: Storage, count: number, prefix = 'job'): Promise<void> {
  const run = async (index: number) => {
    const { id } = await addJob(storage, `${prefix}-${index}`)
    for (let slot = 1; slot <= 3; slot++) {
      const created = await storage.createOccurrences({ now: slotAt(slot), owner, items: [slotItem(id, slot)] })
      expect(created).toMatchObject([{ outcome: 'created', state: 'running' }])
      const ended = await storage.settle({ now: slotAt(slot) + 5, items: [finishItem(id, slot)] })
      expect(ended).toMatchObject([{ outcome: 'ok' }])
    }
    const records = await storage.get({ occurrences: [1, 2, 3].map((slot) => slotItem(id, slot).id) })
    expect(records.occurrences.map((record) => record?.state)).toEqual(['completed', 'completed', 'completed'])
  }
  await Promise.all(Array.from({ length: count }, (_, index) => run(index)))
}

/**
 * Number of calls that {@link runSlots} sends for one job: three starts, three ends and one repeated start. The first call of a
 * new owner only stores the owner, so the storage must repeat the first start.
 */
const sentBySlots = 7

const isBytes = ({ values }: Sent) => values[0] instanceof Uint8Array && values[1] instanceof Uint8Array

it('on a pool of the storage, statements that start and end slots are prepared by name, and send ids as bytes', async () => {
  const sent = listen()
  await runSlots(open({ url: inject('postgres').url, schema: schema(), wakeUps: false }), 1)
  expect(sent).toHaveLength(sentBySlots)
  expect(new Set(sent.map(({ name }) => name)).size).toBe(2)
  expect(sent.every(({ name }) => /^jobistemer_[0-9a-f]{40}$/.test(name ?? ''))).toBe(true)
  expect(sent.every(isBytes)).toBe(true)
})

it('prepared statements of different schemas have different names', async () => {
  const sent = listen()
  for (let round = 0; round < 2; round++) {
    await runSlots(open({ url: inject('postgres').url, schema: schema(), wakeUps: false }), 1)
  }
  expect(new Set(sent.map(({ name }) => name)).size).toBe(4)
})

it('statements on a pool of the user have no name, and send ids as bytes', async () => {
  const sent = listen()
  await runSlots(open({ pool: pool(), schema: schema(), wakeUps: false }), 1)
  expect(sent).toHaveLength(sentBySlots)
  expect(sent.every(({ name }) => name === undefined)).toBe(true)
  expect(sent.every(isBytes)).toBe(true)
})

it('on a storage that has one client instead of a pool, statements send each id as a text', async () => {
  const client = new pg.Client(inject('postgres').url)
  await client.connect()
  const query = vi.spyOn(client, 'query')
  const storage = open({
    client: { query: async (text, values) => await client.query(text, values) },
    schema: schema(),
  })
  await runSlots(storage, 1)
  const values = query.mock.calls.flatMap(([, given]) => (given as unknown as readonly unknown[] | undefined) ?? [])
  expect(values.length).toBeGreaterThan(20)
  expect(values.filter((value) => value !== null && typeof value !== 'string')).toEqual([])
  await storage.close()
  await client.end()
})

const drivers: Readonly<Record<string, (value: Uint8Array) => unknown>> = {
  'makes texts of bytes': (value) => Buffer.from(value).toString(),
  'makes the text form of bytea of bytes': (value) => `\\x${Buffer.from(value).toString('hex')}`,
  'refuses bytes': () => {
    throw new TypeError('bytes are no value')
  },
}

for (const [title, change] of Object.entries(drivers)) {
  it(`on a driver that ${title}, statements send ids as texts`, async () => {
    const real = pool()
    const odd: PostgresPool = {
      async connect() {
        const client = await real.connect()
        return {
          query: async (text, values) =>
            await client.query(
              text,
              values?.map((value) => (value instanceof Uint8Array ? change(value) : value)),
            ),
          release: (broken) => client.release(broken),
        }
      },
    }
    const storage = open({ pool: odd, schema: schema(), wakeUps: false })
    // This call opens the storage. It runs before the recording, because some statements of the opening may fail on this
    // server.
    await storage.get({ jobs: [] })
    const sent = listen()
    await runSlots(storage, 1)
    expect(sent).toHaveLength(sentBySlots)
    expect(sent.some(isBytes)).toBe(false)
  })
}

it('statements have no name behind a pooler that does not support prepared statements', async () => {
  const pooler = await startPgBouncer({
    to: inject('postgres'),
    poolMode: 'transaction',
    config: { default_pool_size: '3', max_prepared_statements: '0' },
  })
  try {
    const name = schema()
    const storages = [1, 2].map(() => open({ url: pooler.url, schema: name, wakeUps: false }))
    const sent = listen()
    await Promise.all(storages.map(async (storage, index) => await runSlots(storage, 12, `storage-${index}`)))
    expect(sent.some((statement) => statement.name !== undefined)).toBe(true)
    expect(sent.slice(-4).every((statement) => statement.name === undefined)).toBe(true)
    for (const storage of storages) await storage.close()
  } finally {
    await pooler.stop()
  }
})

it('each statement converts its array parameter once, and not again for each row that it scans', async () => {
  const name = schema()
  const storage = open({ pool: pool(), schema: name, wakeUps: false })
  const ids = await Promise.all(['alpha', 'beta'].map(async (job) => (await addJob(storage, job, 'queue')).id))
  const sent = listen(/./)
  const now = slotAt(1)
  const occurrences = ids.map((id) => slotItem(id, 1).id)
  await storage.createOccurrences({ now, owner, items: ids.map((id) => slotItem(id, 1)) })
  const waiting = ids.map((id) => ({ ...triggerItem(id, 1, now), runs: null }))
  await storage.createOccurrences({ now, owner, items: waiting })
  await storage.get({
    occurrences,
    jobs: ids,
    counts: ids,
    latest: ids,
    versions: ids.map((jobId) => ({ jobId, version: 1 })),
  })
  await storage.settle({ now, items: ids.map((id) => finishItem(id, 1)) })
  await storage.listJobs({ limit: 5, cursor: null, due: { upTo: slotAt(9), shards: [0, 1, 2] } })
  await storage.heartbeat({ now, own: null, remove: [], profilesOf: ['one', 'two'] })
  await storage.saveJobs({ now, changes: [{ kind: 'delete', id: ids[0] as JobId, expectedVersion: null }] })
  await storage.prune({ now, jobId: ids[1] as JobId, before: slotAt(9), keep: 0, limit: 10 })
  // Forces generic plans and sequential scans. Such a plan shows a conversion of the array parameter that PostgreSQL would
  // repeat for each row.
  const client = await connection()
  await client.query('SET plan_cache_mode = force_generic_plan')
  for (const way of ['indexscan', 'bitmapscan', 'indexonlyscan']) await client.query(`SET enable_${way} = off`)
  const seen = new Set<string>()
  for (const { text, values } of [...sent]) {
    // Skips calls whose parameters contain bytes, because the EXPLAIN below contains all values as texts.
    const hasTexts = values?.every((value) => value === null || typeof value === 'string') ?? false
    if (!hasTexts || !values.some((value) => value?.toString().startsWith('{')) || seen.has(text)) continue
    seen.add(text)
    await client.query(`PREPARE looked_at AS ${text}`)
    const given = values.map((value) => (value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`))
    const { rows } = await client.query(`EXPLAIN EXECUTE looked_at (${given.join(', ')})`)
    await client.query('DEALLOCATE looked_at')
    const plan = rows.map((row) => row['QUERY PLAN'] as string)
    expect(plan.filter((line) => /(Filter|Cond): .*::\w+\[\]\)/.test(line))).toEqual([])
  }
  expect(seen.size).toBeGreaterThan(8)
})
