import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { type PostgresServer, programPath, startPostgres } from '@jobistemer/test-servers'
import pg from 'pg'
import { afterEach, expect, it } from 'vitest'
import { useSchemas } from './schemas.ts'
import { isThorough } from '../../workspace/test-effort.ts'

const { connection, open, pool, query, schema: newSchema } = useSchemas()

let server: PostgresServer | null = null
let own: pg.Pool | null = null

afterEach(async () => {
  await own?.end()
  await server?.stop()
  server = null
  own = null
})

async function run(storage: Storage, job: JobId, from: number, until: number): Promise<void> {
  for (let index = from; index < until; index++) {
    const created = await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(job, index)] })
    expect(created).toMatchObject([{ outcome: 'created', state: 'running' }])
    const ended = await storage.settle({ now: slotAt(index), items: [finishItem(job, index)] })
    expect(ended).toMatchObject([{ outcome: 'ok' }])
  }
}

// Timeout for up to 2,400 sequential calls, which take more than a minute on a busy machine.
const patient = { timeout: 240_000 }

it(
  'the storage works while an old transaction keeps dead rows, and PostgreSQL later uses the space of these rows again',
  patient,
  async () => {
    const schema = newSchema()
    const storage = open({ pool: pool({ max: 1 }), schema, wakeUps: false })
    const { id } = await addJob(storage, 'alpha')
    const pages = async () => {
      const [row] = await query(`SELECT pg_relation_size('${schema}.heads')::int / 8192 AS pages`)
      return row.pages as number
    }
    const rounds = isThorough ? 400 : 100
    await run(storage, id, 1, rounds)
    const before = await pages()
    const holder = await connection()
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await holder.query('SELECT 1')
    await run(storage, id, rounds, 2 * rounds)
    await query(`VACUUM ${schema}.heads`)
    const held = await pages()
    // Each occurrence leaves two dead rows of the head in the table. While the transaction of `holder` is open, vacuum
    // cannot remove these rows, so the table has grown.
    expect([before < 4, held - before > (2 * rounds) / 100]).toEqual([true, true])
    await holder.query('COMMIT')
    await query(`VACUUM ${schema}.heads`)
    await run(storage, id, 2 * rounds, 3 * rounds)
    expect(await pages()).toBeLessThanOrEqual(held)
  },
)

it('a call fails if the server’s disk is full, stores nothing, and succeeds once the disk has space', async () => {
  server = await startPostgres({ quick: true, config: { autovacuum: 'off' } })
  own = new pg.Pool({ connectionString: server.url })
  own.on('error', () => {})
  const first = open({ pool: own, wakeUps: false })
  const { id } = await addJob(first, 'alpha', 'queue')
  await run(first, id, 1, 2)
  await first.createOccurrences({ now: slotAt(2), owner, items: [slotItem(id, 2)] })
  const filler = `INSERT INTO jobistemer.history SELECT gen_random_uuid(), gen_random_uuid(), scheduled_at, state, kind, token,
    sequence, rescues, job_version, owner, due_at, created_at, started_at, timeout, finished_at, repeat('x', 2000)
    FROM jobistemer.history h LIMIT 20000`
  // Maximum size of each file of the server, in bytes. The server treats the limit like a full disk.
  const limit = 17 * 2 ** 20 + 4096
  const setLimit = (bytes: number | 'unlimited') => {
    // Runs `prlimit` as the user of the server, because root starts the server as another user.
    const { uid, gid } = statSync(`/proc/${server?.pid}`)
    const options = { encoding: 'utf8', uid, gid } as const
    const { status, stderr } = spawnSync(
      programPath('prlimit'),
      ['--pid', String(server?.pid), `--fsize=${bytes}:`],
      options,
    )
    expect([status, stderr]).toEqual([0, ''])
  }
  setLimit(limit)
  const filling = new pg.Client(server.url)
  await filling.connect()
  let full: unknown = null
  for (let round = 0; round < 30 && full === null; round++) {
    full = await filling.query(filler).then(
      () => null,
      (error: unknown) => error,
    )
  }
  await filling.end()
  expect(full).toMatchObject({ code: '53100' })
  // This pool connects after the file size limit was set, so the limit applies to its connections.
  const limited = new pg.Pool({ connectionString: server.url, max: 1 })
  limited.on('error', () => {})
  const storage = open({ pool: limited, wakeUps: false })
  // The text of the failure's reason is too long for the free space of the table's last page. So the server must enlarge the
  // file of the table, and reaches the size limit.
  const reason = 'x'.repeat(6000)
  const end = { ...finishItem(id, 2), change: { kind: 'finish', state: 'failed', reason } } as const
  const refused = await storage.settle({ now: slotAt(3), items: [end] }).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'STORAGE_FULL', cause: { code: '53100' } })
  const record = async () => (await storage.get({ occurrences: [slotItem(id, 2).id] })).occurrences[0]
  expect(await record()).toMatchObject({ state: 'running', sequence: 0 })
  await limited.end()
  setLimit('unlimited')
  const again = open({ url: server.url, wakeUps: false })
  expect(await again.settle({ now: slotAt(3), items: [end] })).toMatchObject([{ outcome: 'ok' }])
  const { occurrences } = await again.get({ occurrences: [slotItem(id, 2).id] })
  expect(occurrences[0]).toMatchObject({ state: 'failed', reason })
  await again.close()
}, 120_000)

it('a call that exceeds the server’s statement_timeout rejects, and stores nothing', async () => {
  const schema = newSchema()
  const patient = open({ pool: pool(), schema })
  const { id } = await addJob(patient, 'alpha')
  const hasty = open({ pool: pool({ options: '-c statement_timeout=100' }), schema, wakeUps: false })
  const holder = await connection()
  await holder.query('BEGIN')
  await holder.query(`SELECT FROM ${schema}.heads FOR UPDATE`)
  const create = (storage: Storage) => storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  await expect(create(hasty)).rejects.toMatchObject({ code: 'STORAGE_BUSY', cause: { code: '57014' } })
  await holder.query('ROLLBACK')
  // On a busy machine, statements of the hasty storage may exceed its timeout without a lock.
  expect(await create(patient)).toMatchObject([{ outcome: 'created' }])
})
