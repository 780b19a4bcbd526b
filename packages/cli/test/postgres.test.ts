import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { type PostgresServer, startPgBouncer, startPostgres } from '@jobistemer/test-servers'
import { cron } from '@jobistemer/ticker-cron'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { postgresVacuums } from '../src/doctor/checks/postgres-vacuums.ts'
import { postgresWrites } from '../src/doctor/checks/postgres-writes.ts'
import { runCli } from './run-cli.ts'
import { startCli } from './spawn-cli.ts'

const cwd = process.cwd()
const job = defineJob({
  name: 'import',
  schedule: cron('0 0 1 1 *', { timezone: 'UTC' }),
  tasks: [{ name: 'a', handler: 'h' }],
})
const examine = ['doctor', '--observe', '0', '--prefix', 'cli', '--json']
let server: PostgresServer
let admin: pg.Client

beforeAll(async () => {
  server = await startPostgres()
  admin = new pg.Client(server.url)
  await admin.connect()
  const storage = postgresStorage({ url: server.url, schema: 'cli' })
  const client = createClient({ storage, logger: silentLogger })
  await client.add(job)
  await client.close()
  await storage.close()
})

afterAll(async () => {
  await admin?.end()
  await server?.stop()
})

const ask = (argv: readonly string[], place = server.url) => runCli([...argv, '-s', place], { now: null, cwd })
const codesOf = (out: string) => JSON.parse(out).findings.map(({ code }: { code: string }) => code)

it('the commands jobs and trigger work in the PostgreSQL schema that --prefix names', async () => {
  const { code, out } = await startCli(['jobs', '-s', server.socketUrl, '--prefix', 'cli', '--json']).ended
  expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, jobs: [{ name: 'import' }] })
  expect(await ask(['trigger', 'import', '--prefix', 'cli'])).toMatchObject({ code: 0 })
  expect((await ask(['counts', '--prefix', 'cli'])).out).toContain('pending  1')
})

it('conformance on PostgreSQL uses its own schemas, and removes them', async () => {
  const { code, out } = await ask(['conformance', '--depth', 'cases', '--grep', 'prune: what '])
  expect(code).toBe(0)
  expect(out).toMatch(/^In schemas that begin with jobistemer_conformance_\d+, until the end\.\n/)
  expect(out).toMatch(/ ([2-9]) cases: \1 passed, 0 failed\.\n$/)
  const { rows } = await admin.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jobistemer%'")
  expect(rows).toEqual([])
})

it('a missing PostgreSQL schema is an error until the SQL from the command `sql` has created the schema', async () => {
  const missing = await ask(['jobs', '--prefix', 'other'])
  expect(missing).toMatchObject({ code: 3, err: expect.stringContaining('no tables of Jobistemer') })
  const { rows } = await admin.query("SELECT FROM pg_namespace WHERE nspname = 'other'")
  expect(rows).toEqual([])
  const { out: script } = await ask(['sql', '--prefix', 'other'])
  expect((await runCli(['sql', '--from', '0', '--prefix', 'other'], { cwd })).out).toBe(script)
  await admin.query(script)
  expect(await ask(['jobs', '--prefix', 'other'])).toEqual({ code: 0, out: 'No jobs.\n', err: '' })
  const { schema, from, sql } = JSON.parse((await ask(['sql', '--prefix', 'other', '--json'])).out)
  expect({ schema, from, sql }).toEqual({ schema: 'other', from: 1, sql: expect.not.stringContaining('CREATE TABLE') })
})

it('the command sql requires either --from or a PostgreSQL storage', async () => {
  expect(await runCli(['sql'], { cwd })).toMatchObject({ code: 2, err: expect.stringContaining('--from 0') })
  const { code, err } = await runCli(['sql', '-s', 'sqlite:jobs.db'], { cwd })
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('Only PostgreSQL has SQL to apply') })
})

it('doctor reports only NO_NODE_LIVES for a PostgreSQL server with default settings and no node', async () => {
  expect(codesOf((await ask(examine)).out)).toEqual(['NO_NODE_LIVES'])
})

it('doctor reports a PostgreSQL server that may lose acknowledged writes, and tables without autovacuum', async () => {
  await admin.query('ALTER ROLE postgres SET synchronous_commit = off')
  await admin.query('ALTER TABLE cli.heads SET (autovacuum_enabled = off)')
  const { findings } = JSON.parse((await ask(examine)).out)
  await admin.query('ALTER ROLE postgres RESET synchronous_commit')
  await admin.query('ALTER TABLE cli.heads RESET (autovacuum_enabled)')
  expect(findings).toMatchObject([
    { code: 'NO_NODE_LIVES' },
    { code: 'POSTGRES_NOT_DURABLE', severity: 'warning' },
    { code: 'POSTGRES_VACUUM_OFF', message: expect.stringContaining('heads') },
  ])
})

it('doctor reports POSTGRES_NO_WAKE_UPS behind a pooler in transaction mode', async () => {
  const pooler = await startPgBouncer({ to: server })
  const { out } = await ask(examine, pooler.url)
  await pooler.stop()
  expect(codesOf(out)).toEqual(['NO_NODE_LIVES', 'POSTGRES_NO_WAKE_UPS'])
})

it('doctor reports missing privileges and a read-only user, even if that user cannot read any table', async () => {
  await admin.query('CREATE ROLE guest LOGIN; ALTER ROLE guest SET default_transaction_read_only = on')
  const { code, out } = await ask(examine, server.url.replace('postgres@', 'guest@'))
  expect({ code, codes: codesOf(out) }).toEqual({
    code: 3,
    codes: ['STORAGE_UNREADABLE', 'POSTGRES_READ_ONLY', 'POSTGRES_RIGHTS'],
  })
  expect(out).toContain('USAGE ON SCHEMA, ')
})

const well = {
  form: 1,
  formNeeded: 1,
  isStandby: false,
  isReadOnly: false,
  settings: { fsync: true, fullPageWrites: true, synchronousCommit: 'on', autovacuum: true },
  unvacuumed: [],
  missingRights: [],
  rowSecurity: [],
  vacuumHolders: [],
  hearsNotifications: true,
}

it('doctor reports transactions, replication slots and standbys that have prevented the vacuum for a long time', async () => {
  const vacuumHolders = [
    { kind: 'transaction', name: '7 report', forMs: 3_600_000 },
    { kind: 'transaction', name: '8 jobistemer', forMs: 20 },
    { kind: 'slot', name: 'replica', forMs: null },
    { kind: 'standby', name: 'copy at 10.0.0.7', forMs: null },
  ] as const
  const findings = await postgresVacuums({ postgres: { ...well, vacuumHolders } })
  expect(findings.map(({ code, message }) => [code, message])).toEqual([
    ['POSTGRES_VACUUM_HELD', 'Dead rows are kept by process 7 report for 1 h: tables grow, and calls get slower.'],
    ['POSTGRES_VACUUM_HELD', 'Dead rows are kept by the replication slot replica: tables grow, and calls get slower.'],
    [
      'POSTGRES_VACUUM_HELD',
      'Dead rows are kept by a query on the standby copy at 10.0.0.7: tables grow, and calls get slower.',
    ],
  ])
})

it('doctor reports the tables whose rows PostgreSQL hides from the user by row security', async () => {
  const [finding] = await postgresWrites({ postgres: { ...well, rowSecurity: ['heads', 'jobs'] } })
  expect(finding).toMatchObject({
    code: 'POSTGRES_ROW_SECURITY',
    severity: 'error',
    message: expect.stringContaining('heads, jobs'),
  })
})

it('doctor reports POSTGRES_READ_ONLY for a standby', async () => {
  const [finding] = await postgresWrites({ postgres: { ...well, isStandby: true } })
  expect(finding).toMatchObject({
    code: 'POSTGRES_READ_ONLY',
    severity: 'error',
    message: expect.stringContaining('standby'),
  })
})

it('a PostgreSQL server that is absent or never answers causes an error within --timeout, and the error contains no password', async () => {
  const mute = createServer().listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as AddressInfo
  const silent = await ask(['jobs', '--timeout', '300ms'], `postgres://joe:secret@127.0.0.1:${port}/app`)
  mute.close()
  expect(silent).toMatchObject({ code: 3, err: expect.stringMatching(/STORAGE_(BUSY|UNREACHABLE|TIMEOUT)/) })
  const gone = await ask(['jobs', '--timeout', '20s'], 'postgres://joe@127.0.0.1:1/app?password=secret')
  expect(gone).toMatchObject({ code: 3, err: expect.stringContaining('ECONNREFUSED') })
  const examined = await ask(['doctor', '--json'], 'postgres://joe:secret@127.0.0.1:1/app')
  expect({ code: examined.code, codes: codesOf(examined.out) }).toEqual({ code: 3, codes: ['STORAGE_UNREACHABLE'] })
  expect(silent.err + gone.err + examined.out).not.toContain('secret')
})
