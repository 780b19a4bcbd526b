import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import { Client } from 'pg'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CheckedJob, checkJobs } from '../../src/import/checked-jobs.ts'
import { type ComparableSource, compareJob } from '../../src/import/compare.ts'
import { pgBoss } from '../../src/import/pg-boss.ts'
import { useScratch } from '../ledger.ts'
import { runCli } from '../run-cli.ts'
import { startShell } from '../spawn-cli.ts'

const scratch = useScratch()
let server: PostgresServer
let admin: Client

beforeAll(async () => {
  server = await startPostgres({ quick: true })
  admin = new Client({ connectionString: server.url })
  await admin.connect()
  const boss = new PgBoss({ connectionString: server.url, schema: 'boss', schedule: false, supervise: false })
  await boss.start()
  await boss.createQueue('graveyard')
  await boss.createQueue('mails', {
    retryLimit: 4,
    retryDelay: 30,
    retryBackoff: true,
    expireInSeconds: 600,
    deadLetter: 'graveyard',
  })
  await boss.createQueue('exact', { policy: 'exclusive' })
  await boss.schedule('mails', '0 2 * * *', { to: 'all' }, { tz: 'Europe/Berlin', priority: 20 })
  await boss.schedule('mails', '30 */4 * * 1-5', null, { key: 'week', missed: 'once' })
  await boss.schedule('mails', '*/10 0 3 * * *', null, { key: 'often' })
  await boss.schedule('mails', 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17', null, { key: 'rule' })
  await boss.send('mails', { to: 'joe' })
  await boss.send('mails', { to: 'ann' }, { priority: 5, startAfter: 3600, singletonKey: 'ann' })
  await boss.send('exact', null, { retryLimit: 0 })
  await boss.insert(
    'mails',
    Array.from({ length: 1500 }, (_, n) => ({ data: { n } })),
  )
  await boss.fetch('exact')
  await boss.stop({ graceful: false })
})

afterAll(async () => {
  await admin.end()
  await server.stop()
})

/** Returns a digest of all rows in the pg-boss schema. */
async function contentOf(schema: string): Promise<string> {
  const hash = createHash('sha256')
  const { rows: tables } = await admin.query('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [
    schema,
  ])
  expect(tables.length).toBeGreaterThan(5)
  for (const { tablename } of tables) {
    const { rows } = await admin.query(`SELECT xmin::text, t::text FROM ${schema}.${tablename} t ORDER BY 2`)
    hash.update(tablename).update(JSON.stringify(rows))
  }
  return hash.digest('hex')
}

const ask = (...argv: string[]) =>
  runCli(['import', 'pg-boss', '--from', server.url, '--source-prefix', 'boss', '--zone', 'UTC', ...argv], {
    now: null,
    cwd: process.cwd(),
  })

it('jobistemer import pg-boss writes schedules and queues as jobs, and writes nothing to PostgreSQL', async () => {
  const before = await contentOf('boss')
  const folder = scratch.folder()
  const { out, err, code } = await ask('--output', join(folder, 'jobs.json'))
  expect({ err, code }).toEqual({ err: '', code: 1 })
  expect(out).toContain('left out  queue mails, schedule rule: Jobistemer has no recurrence rules.')
  expect(out).toContain('queue exact: 1 jobs run now')
  expect(out).toContain('Its dead letter queue graveyard is not carried over')
  // The imported jobs have the schedules' time zones and keys, so `tz` and `key` are not left out.
  expect(out).not.toContain('These options are not carried over')
  expect(out).toContain('The job has the expression 0 0 3 * * * instead of */10 0 3 * * *')
  const { jobs } = JSON.parse(readFileSync(join(folder, 'jobs.json'), 'utf8'))
  const byName = Object.fromEntries(jobs.map((job: { name: string }) => [job.name, job]))
  expect(Object.keys(byName).sort()).toEqual(['exact', 'graveyard', 'mails', 'mails/often', 'mails/week'])
  expect(byName.mails).toEqual({
    name: 'mails',
    schedule: { type: 'cron', expression: '0 2 * * *', timezone: 'Europe/Berlin' },
    overlapPolicy: 'allow',
    taskTimeout: 600_000,
    executionTimeout: 3_600_000,
    retryPolicy: { maxRetries: 4, retryInterval: 30_000, backoffFactor: 2 },
    recoveryStrategy: 'mark_as_missed',
    priority: 10,
    tasks: [{ name: 'run', handler: 'mails', data: { to: 'all' } }],
  })
  expect(byName['mails/week'].recoveryStrategy).toBeUndefined()
  expect(byName.exact).toMatchObject({ overlapPolicy: 'queue' })
  const place = ['-s', 'sqlite:jobs.db', '--owner', 'moved']
  await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
  const applied = await runCli(['apply', 'jobs.json', ...place, '--yes'], { cwd: folder, now: null })
  expect(applied).toMatchObject({ code: 0, out: expect.stringContaining('5 to add') })
  expect(await contentOf('boss')).toBe(before)
})

it('jobistemer import pg-boss writes no requests while a pg-boss job is active, and later writes one request for each waiting job', async () => {
  const folder = scratch.folder()
  const file = join(folder, 'waiting.ndjson')
  const handOver = ['--cut-over', new Date().toISOString(), '--requests', file]
  expect(await ask(...handOver)).toMatchObject({
    code: 5,
    err: expect.stringMatching(/The queue exact has 1 active jobs.*SOURCE_BUSY/),
  })
  await admin.query("UPDATE boss.job SET state = 'completed', completed_on = now() WHERE state = 'active'")
  const before = await contentOf('boss')
  const { err, out } = await ask(...handOver)
  expect(err).toBe('')
  expect(await contentOf('boss')).toBe(before)
  expect(out).toContain('Its singleton key ann is not carried over')
  const requests = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(requests).toHaveLength(1502)
  expect(new Set(requests.map(({ key }) => key)).size).toBe(1502)
  const ann = requests.find(({ data }) => data.to === 'ann')
  expect(ann).toMatchObject({
    job: 'mails',
    priority: 5,
    overrides: { retryPolicy: { maxRetries: 4, retryInterval: 30_000, backoffFactor: 2 } },
  })
  expect(Date.parse(ann.at) - Date.now()).toBeGreaterThan(3_000_000)

  await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
  await ask('--output', join(folder, 'jobs.json'))
  const place = ['-s', 'sqlite:jobs.db']
  await runCli(['apply', 'jobs.json', ...place, '--owner', 'moved', '--yes'], { cwd: folder, now: null })
  const trigger = async () =>
    JSON.parse((await runCli(['trigger-many', 'waiting.ndjson', ...place, '--json'], { cwd: folder, now: null })).out)
  expect(await trigger()).toEqual({ created: 1502, existed: 0, skipped: 0, failed: [] })
  expect(await trigger()).toEqual({ created: 0, existed: 1502, skipped: 0, failed: [] })
})

it('jobistemer import pg-boss refuses to write requests while a pg-boss process works', async () => {
  const boss = new PgBoss({
    connectionString: server.url,
    schema: 'boss',
    supervise: false,
    schedule: false,
    instanceHeartbeatSeconds: 1,
  })
  await boss.start()
  await boss.work('graveyard', async () => undefined)
  const busy = async () =>
    (await ask('--cut-over', new Date().toISOString(), '--requests', join(scratch.folder(), 'a'))).err
  await expect
    .poll(busy, { timeout: 40_000, interval: 500 })
    .toContain(`A process of pg-boss still works: ${process.pid}`)
  await boss.stop()
})

it('the command that stops pg-boss schedules changes nothing if a slot before the cut-over has no pg-boss job', async () => {
  const cutOver = new Date(Date.now() + 4000).toISOString()
  const { stop } = JSON.parse((await ask('--cut-over', cutOver, '--json')).out)
  const { rows: before } = await admin.query('SELECT xmin::text, * FROM boss.schedule ORDER BY key')
  const { code, err } = await startShell(stop.join('\n'), { env: { DATABASE_URL: server.url } }).ended
  expect(code).toBe(1)
  expect(err).toMatch(/Nothing was changed|has passed/)
  expect((await admin.query('SELECT xmin::text, * FROM boss.schedule ORDER BY key')).rows).toEqual(before)
})

it('jobistemer import pg-boss writes a request for each due slot for which pg-boss has not yet created a job', async () => {
  const data = { name: 'mails', key: 'week', data: { a: 1 }, options: {}, slot: '2027-01-01 00:00:00' }
  await admin.query(
    `SELECT boss.create_queue('__pgboss__send-it', '{"policy":"standard","retryLimit":2,"retryDelay":0,"retryBackoff":false,"expireInSeconds":900,"retentionSeconds":1209600,"deletionSeconds":604800,"partition":false}')`,
  )
  const { rows } = await admin.query(
    "INSERT INTO boss.job (name, data) VALUES ('__pgboss__send-it', $1) RETURNING id",
    [data],
  )
  const file = join(scratch.folder(), 'waiting.ndjson')
  expect(await ask('--cut-over', new Date().toISOString(), '--requests', file)).toMatchObject({ err: '' })
  const requests = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(requests.filter(({ job }) => job === 'mails/week')).toEqual([
    { job: 'mails/week', key: rows[0].id, data: { a: 1 } },
  ])
})

it('jobistemer import pg-boss writes a pg-boss job without data as a request with the data null, which trigger-many accepts', async () => {
  const boss = new PgBoss({ connectionString: server.url, schema: 'bare', schedule: false, supervise: false })
  await boss.start()
  await boss.createQueue('mails')
  await boss.schedule('mails', '0 2 * * *', { to: 'all' }, { tz: 'UTC' })
  const id = await boss.send('mails')
  await boss.stop({ graceful: false })
  const folder = scratch.folder()
  const file = join(folder, 'waiting.ndjson')
  const output = join(folder, 'jobs.json')
  const argv = ['import', 'pg-boss', '--from', server.url, '--source-prefix', 'bare', '--requests', file, '-o', output]
  const handOver = [...argv, '--cut-over', new Date().toISOString()]
  expect(await runCli(handOver, { now: null, cwd: process.cwd() })).toMatchObject({ err: '' })
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ job: 'mails', key: id, data: null })
  const place = ['-s', 'sqlite:jobs.db']
  await sqliteStorage({ file: join(folder, 'jobs.db') }).close()
  await runCli(['apply', 'jobs.json', ...place, '--owner', 'moved', '--yes'], { cwd: folder, now: null })
  const { out } = await runCli(['trigger-many', 'waiting.ndjson', ...place, '--json'], { cwd: folder, now: null })
  expect(JSON.parse(out)).toEqual({ created: 1, existed: 0, skipped: 0, failed: [] })
})

it('jobistemer import pg-boss gives runs the time for all retries and their delays, and names each feature that it leaves out', async () => {
  const boss = new PgBoss({ connectionString: server.url, schema: 'gaps', schedule: false, supervise: false })
  await boss.start()
  await boss.createQueue('slow', { retryLimit: 10, retryDelay: 60, retryBackoff: true })
  await boss.createQueue('patient', { retryLimit: 30, retryDelay: 1, retryBackoff: true })
  await boss.createQueue('fixed', { retryLimit: 2, retryDelay: 600, retryBackoff: true, retryDelayMax: 300 })
  await boss.schedule('fixed', '0 2 * * *', null, { tz: 'UTC', retryBackoff: false })
  await boss.createQueue('single', { policy: 'singleton' })
  await boss.schedule('slow', '0 2 * * *', null, { tz: 'UTC', retryLimit: 20, retryDelay: 600, retryBackoff: false })
  await boss.schedule('single', '0 0 * * 1/2', null, { tz: 'UTC', key: 'steps' })
  await boss.schedule('single', '0 0 1 * */1', null, { tz: 'UTC', key: 'days' })
  await boss.subscribe('signed-up', 'slow')
  await boss.send('slow', {}, { expireInSeconds: 7200, group: { id: 'tenant' } })
  await boss.stop({ graceful: false })
  const folder = scratch.folder()
  const argv = ['import', 'pg-boss', '--from', server.url, '--source-prefix', 'gaps', '--json']
  const read = async (...more: string[]) => {
    const { out, err } = await runCli([...argv, ...more], { now: null, cwd: process.cwd() })
    expect(err).toBe('')
    return (JSON.parse(out).notes as { origin: string; text: string }[]).map(({ origin, text }) => `${origin}: ${text}`)
  }
  const before = (await read('--output', join(folder, 'jobs.json'))).join('\n')
  const { jobs } = JSON.parse(readFileSync(join(folder, 'jobs.json'), 'utf8'))
  const byName = Object.fromEntries(jobs.map((job: { name: string }) => [job.name, job]))
  // The schedule has 20 retries after 600 s each. An attempt has 15 min.
  expect(byName.slow).toMatchObject({ taskTimeout: 900_000, executionTimeout: 21 * 900_000 + 20 * 600_000 })
  // pg-boss doubles a delay 16 times at most, and limits only delays that grow.
  expect(byName.patient.retryPolicy).toMatchObject({ retryInterval: 1000, maxInterval: 65_536_000 })
  expect(byName.fixed.retryPolicy).toEqual({ maxRetries: 2, retryInterval: 600_000 })
  expect(byName['single/steps'].schedule.expression).toBe('0 0 * * 1-7/2')
  expect(before).toContain('queue single, schedule days: Versions of cron-parser differ on a day field')
  expect(before).toContain('queue single: Each of its schedules becomes a job.')
  expect(before).toContain('event signed-up: pg-boss sends it to the queue slow.')
  expect(before).not.toContain('after the cut-over')
  const file = join(folder, 'waiting.ndjson')
  const after = (await read('--cut-over', new Date().toISOString(), '--requests', file)).join('\n')
  expect(after).toContain('queue slow, schedule without a key: pg-boss has this schedule after the cut-over')
  expect(after).toMatch(/queue slow, job .*: Its group tenant is not carried over/)
  // The queue has 10 retries after 60 s, 120 s and so on. The job has 2 h for an attempt.
  expect(JSON.parse(readFileSync(file, 'utf8')).overrides).toEqual({
    taskTimeout: 7_200_000,
    executionTimeout: 11 * 7_200_000 + 1023 * 60_000,
    retryPolicy: { maxRetries: 10, retryInterval: 60_000, backoffFactor: 2, maxInterval: 512 * 60_000 },
  })
})

it('jobistemer import pg-boss exits with 3 if the user may not read the tables', async () => {
  await admin.query("CREATE ROLE reader LOGIN PASSWORD 'own'; GRANT USAGE ON SCHEMA boss TO reader")
  const url = new URL(server.url)
  url.username = 'reader'
  url.password = 'own'
  const argv = ['import', 'pg-boss', '--from', url.href, '--source-prefix', 'boss', '--json']
  const { code, err } = await runCli(argv, { now: null, cwd: process.cwd() })
  expect(JSON.parse(err).error).toMatchObject({
    code: 'SOURCE_UNREACHABLE',
    message: expect.stringContaining('permission denied for table'),
    field: '--from',
    remedy: expect.stringContaining('a user who may read it'),
  })
  expect(code).toBe(3)
})

it('jobistemer import pg-boss --compare compares one year of instants of each job and of its pg-boss schedule', async () => {
  const { code, out, err } = await ask('--compare', '--json')
  expect({ code, err }).toEqual({ code: 1, err: '' })
  const { comparisons } = JSON.parse(out)
  expect(comparisons.map(({ job }: { job: string }) => job)).toEqual(['mails', 'mails/often', 'mails/week'])
  for (const { differences } of comparisons)
    for (const { rule } of differences) expect(rule).toEqual(expect.any(String))
})

it('a comparison with a version of pg-boss that computes no instants rejects, and names the version that does', async () => {
  const cwd = scratch.folder()
  mkdirSync(join(cwd, 'node_modules/pg-boss'), { recursive: true })
  // As pg-boss 12.30, which has no `previewSchedule`.
  writeFileSync(join(cwd, 'node_modules/pg-boss/index.js'), 'exports.PgBoss = class {}\n')
  const source = pgBoss({ url: server.url, cwd, schema: 'boss' })
  const context = { now: Date.now(), cwd, timezone: 'UTC', cutOver: null, signal: AbortSignal.timeout(60_000) }
  const jobs = await source.read(context, { leftOut: () => undefined, differs: () => undefined })
  const checked = await checkJobs(jobs, context, { leftOut: () => undefined, differs: () => undefined })
  const job = checked.find(({ name }) => name === 'mails')
  await expect(compareJob(source as ComparableSource, job as CheckedJob, context)).rejects.toMatchObject({
    code: 'PACKAGE_OUTDATED',
    field: '--compare',
    remedy: expect.stringContaining('12.34'),
  })
  await source.close?.()
})

it('jobistemer import pg-boss exits with 2 if the database contains no tables of pg-boss', async () => {
  const argv = ['import', 'pg-boss', '--from', server.url, '--json']
  const { code, err } = await runCli(argv, { now: null, cwd: process.cwd() })
  expect({ code, ...JSON.parse(err).error }).toMatchObject({ code: 'SOURCE_EMPTY', field: '--source-prefix' })
  expect(code).toBe(2)
})
