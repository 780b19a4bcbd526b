import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest'
import { inspectPostgres, postgresStorage } from '../src/index.ts'

const { url } = inject('postgres')
const schema = 'inspected'
let pool: pg.Pool

beforeAll(() => {
  pool = new pg.Pool({ connectionString: url })
})

afterAll(() => pool.end())

beforeEach(async () => {
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
})

async function makeSchema(): Promise<void> {
  const storage = postgresStorage({ pool, schema })
  await storage.listJobs({ limit: 1, cursor: null })
  await storage.close()
}

it('inspectPostgres of an empty database reports no missing rights, and creates nothing', async () => {
  const { form, formNeeded, missingRights, isStandby, isReadOnly } = await inspectPostgres({ pool, schema })
  expect({ form, missingRights, isStandby, isReadOnly }).toEqual({
    form: null,
    missingRights: [],
    isStandby: false,
    isReadOnly: false,
  })
  expect(formNeeded).toBeGreaterThan(0)
  const { rows } = await pool.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
  expect(rows).toEqual([])
})

it('inspectPostgres reports the schema version, the server settings, and whether notifications arrive', async () => {
  await makeSchema()
  const { form, formNeeded, settings, unvacuumed } = await inspectPostgres({ url, schema })
  expect(form).toBe(formNeeded)
  // The settings of the fast test server.
  expect(settings).toEqual({ fsync: false, fullPageWrites: false, synchronousCommit: 'off', autovacuum: true })
  expect(unvacuumed).toEqual([])
  // `inspectPostgres` waits 2 s for its notification. On a busy machine, the notification may come later.
  await expect.poll(async () => (await inspectPostgres({ url, schema })).hearsNotifications).toBe(true)
  expect((await inspectPostgres({ url, schema, wakeUps: false })).hearsNotifications).toBeNull()
})

it('inspectPostgres names the tables without autovacuum, and the transaction that keeps dead rows from vacuum', async () => {
  await makeSchema()
  for (const [table, value] of Object.entries({
    live: 'off',
    heads: '0',
    jobs: 'no',
    history: 'FALSE',
    versions: 'f',
    owners: 'on',
  })) {
    await pool.query(`ALTER TABLE ${schema}.${table} SET (autovacuum_enabled = ${value})`)
  }
  const holder = new pg.Client({ connectionString: url, application_name: 'report' })
  onTestFinished(() => holder.end())
  await holder.connect()
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await holder.query('SELECT 1')
  const { unvacuumed, vacuumHolders } = await inspectPostgres({ pool, schema })
  expect(unvacuumed).toEqual(['heads', 'history', 'jobs', 'live', 'versions'])
  const own = vacuumHolders.find(({ name }) => name.endsWith(' report'))
  expect(own).toMatchObject({ kind: 'transaction', forMs: expect.any(Number) })
})

it('inspectPostgres names the missing rights of a user', async () => {
  await makeSchema()
  await pool.query(`DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC`)
  onTestFinished(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE; DROP ROLE guest`)
  })
  const guest = new URL(url)
  guest.username = 'guest'
  const rights = async () => (await inspectPostgres({ url: guest, schema })).missingRights
  expect(await rights()).toEqual(expect.arrayContaining(['USAGE ON SCHEMA', 'INSERT ON live', 'SELECT ON heads']))
  expect((await inspectPostgres({ url: guest, schema })).form).toBeNull()
  await pool.query(`GRANT USAGE ON SCHEMA ${schema} TO guest;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO guest;
    REVOKE DELETE ON ${schema}.live FROM guest`)
  expect(await rights()).toEqual(['DELETE ON live'])
  await pool.query(`ALTER TABLE ${schema}.heads ENABLE ROW LEVEL SECURITY`)
  expect((await inspectPostgres({ url: guest, schema })).rowSecurity).toEqual(['heads'])
  expect((await inspectPostgres({ pool, schema })).rowSecurity).toEqual([])
  expect((await inspectPostgres({ url: guest, schema: 'none' })).missingRights).toEqual(['CREATE ON DATABASE'])
  await pool.query(`DROP SCHEMA ${schema} CASCADE; CREATE SCHEMA ${schema}; GRANT USAGE ON SCHEMA ${schema} TO guest`)
  expect(await rights()).toEqual(['CREATE ON SCHEMA'])
})

it('inspectPostgres rejects with the same errors as the storage if no server listens', async () => {
  await expect(inspectPostgres({ url: 'postgres://localhost:1/none' })).rejects.toMatchObject({
    code: 'STORAGE_UNREACHABLE',
  })
  await expect(inspectPostgres({ url: 'here' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'url' })
})
