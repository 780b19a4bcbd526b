import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { assertLedger } from '@jobistemer/storage-conformance'
import { type PostgresServer, startPostgres, startTcpProxy } from '@jobistemer/test-servers'
import { addJob } from '@jobistemer/test-kit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { collectingLogger } from '../../scenarios/test/support/collecting-logger.ts'
import { everySeconds, everyType } from '../../scenarios/test/support/every.ts'
import { inspectPostgres, postgresStorage } from '../src/index.ts'

type CleanUps = (() => unknown)[]

const cleanUps: CleanUps = []

async function cleanUpAll(from: CleanUps): Promise<void> {
  for (const cleanUp of from.splice(0).reverse()) await cleanUp()
}

afterEach(() => cleanUpAll(cleanUps))

async function ask(server: PostgresServer, text: string): Promise<unknown> {
  const client = new pg.Client(server.url)
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

const begin = Date.parse('2026-01-01T00:00:00Z')

/**
 * Starts a primary and its standby. The primary acknowledges writes before it flushes them to disk. Clients connect
 * through a proxy at `url`, which leads to the primary until the failover, and then to the standby. `config` is the
 * configuration of the standby. `ends` receives the functions that end the servers.
 */
async function pair(ends: CleanUps, config: Readonly<Record<string, string>> = {}) {
  const primary = await startPostgres({ quick: true })
  ends.push(() => primary.stop())
  const standby = await startPostgres({ quick: true, standbyOf: primary.url, config })
  ends.push(() => standby.stop())
  const target = { host: primary.host, port: primary.port }
  const address = await startTcpProxy(target)
  ends.push(() => address.close())
  return {
    primary,
    standby,
    url: `postgres://postgres@${address.host}:${address.port}/postgres`,
    /** Resolves when the standby has all acknowledged writes. */
    async caughtUp(): Promise<void> {
      const wanted = await ask(primary, 'SELECT pg_current_wal_insert_lsn()::text')
      const hasIt = `SELECT pg_last_wal_replay_lsn() >= '${wanted}'::pg_lsn`
      await expect.poll(() => ask(standby, hasIt), { timeout: 20_000 }).toBe(true)
    },
    /** Stops replication: from now on the standby receives no writes. */
    async fallBehind(): Promise<void> {
      await ask(standby, "ALTER SYSTEM SET primary_conninfo = ''")
      await ask(standby, 'SELECT pg_reload_conf()')
      const receivers = 'SELECT count(*)::int FROM pg_stat_wal_receiver'
      await expect.poll(() => ask(standby, receivers), { timeout: 20_000 }).toBe(0)
    },
    /** From now on, new connections through `url` lead to this server. Existing connections stay open. */
    leadTo(server: PostgresServer): void {
      target.port = server.port
    },
    async failOver(): Promise<void> {
      await primary.kill()
      expect(await ask(standby, 'SELECT pg_promote()')).toBe(true)
      this.leadTo(standby)
      address.breakConnections()
    },
  }
}

it('after a failover to a delayed standby, slots without a record run again, and a node reports the lost runs', async () => {
  const servers = await pair(cleanUps)
  const clock = virtualClock(begin)
  const ran: string[] = []
  const lost: string[] = []
  const { logger, lines } = collectingLogger()
  let goOn = () => {}
  const mayGoOn = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const nodes = ['one', 'two'].map((nodeId) => {
    const storage = postgresStorage({ url: servers.url, wakeUps: false })
    cleanUps.push(() => storage.close())
    const note = (what: string) => void ran.push(what)
    const tick = defineJob({
      name: 'tick',
      schedule: everySeconds(10),
      overlapPolicy: 'queue',
      recoveryStrategy: 'execute_all',
      tasks: [{ name: 'work', run: ({ scheduledAt }) => note(`tick ${(scheduledAt.getTime() - begin) / 1000}`) }],
    })
    const pay = defineJob({ name: 'pay', tasks: [{ name: 'work', run: () => note('pay') }] })
    const slow = defineJob({ name: 'slow', tasks: [{ name: 'work', run: () => mayGoOn.then(() => note('slow')) }] })
    const jobs = [tick, pay, slow]
    const scheduler = createScheduler({ storage, clock, logger, nodeId, jobs, scheduleTypes: [everyType] })
    scheduler.on('occurrence.lost', ({ jobName }) => void lost.push(jobName))
    cleanUps.push(() => scheduler.shutdown())
    return scheduler
  })
  const [one] = nodes as [ReturnType<typeof createScheduler>]
  for (const node of nodes) await node.start()
  await clock.advance({ seconds: 35 })
  expect(ran).toEqual(['tick 10', 'tick 20', 'tick 30'])
  await servers.caughtUp()
  await servers.fallBehind()

  await clock.advance({ seconds: 20 })
  expect(await one.trigger('pay', { key: 'once' })).toMatchObject({ created: true })
  await one.trigger('slow')
  await clock.advance({ seconds: 1 })
  expect(ran.slice(3)).toEqual(['tick 40', 'tick 50', 'pay'])

  await servers.failOver()
  goOn()
  await clock.advance({ seconds: 9 })
  expect(await one.trigger('pay', { key: 'once' })).toMatchObject({ created: true })
  await clock.advance({ seconds: 20 })
  // The failover has lost the records of some slots. So these slots run a second time, in their order. `again` contains the
  // second runs.
  const again = ran.slice(6)
  expect(again.filter((what) => what.startsWith('tick'))).toEqual(
    [40, 50, 60, 70, 80].map((second) => `tick ${second}`),
  )
  expect(again.filter((what) => !what.startsWith('tick')).sort()).toEqual(['pay', 'slow'])
  expect(lost).toEqual(['slow'])
  const forgotten =
    'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests may be lost'
  expect(lines.filter(({ message }) => message === forgotten)).toEqual([
    { level: 'error', message: forgotten, jobs: ['tick'], count: 1, since: new Date(begin + 30_000) },
  ])
  for (const node of nodes) await node.shutdown()
  const after = postgresStorage({ url: servers.standby.url, wakeUps: false })
  cleanUps.push(() => after.close())
  await assertLedger(after)
}, 120_000)

describe('a primary and its standby that no test promotes', () => {
  const ends: CleanUps = []
  let servers: Awaited<ReturnType<typeof pair>>

  beforeAll(async () => {
    servers = await pair(ends, {
      hot_standby_feedback: 'on',
      wal_receiver_status_interval: '1s',
      max_standby_streaming_delay: '-1',
    })
  }, 120_000)

  beforeEach(() => servers.leadTo(servers.primary))

  afterAll(() => cleanUpAll(ends))

  it('reads work on a standby, and a call that writes rejects with an error that names the standby', {
    timeout: 60_000,
  }, async () => {
    const storage = postgresStorage({ url: servers.primary.url, schema: 'reads', wakeUps: false })
    cleanUps.push(() => storage.close())
    await storage.listJobs({ limit: 1, cursor: null })
    await servers.caughtUp()
    const behind = postgresStorage({ url: servers.standby.url, schema: 'reads', wakeUps: false })
    cleanUps.push(() => behind.close())
    expect(await behind.listJobs({ limit: 1, cursor: null })).toMatchObject({ items: [] })
    const beat = { now: 1, remove: [], profilesOf: [] } as const
    expect(await behind.heartbeat({ ...beat, own: null })).toEqual({ nodes: [], profiles: [] })
    const own = { node: 'one', incarnation: 'first', counter: 1, startedAt: 1, leaving: false, about: {} }
    await expect(behind.heartbeat({ ...beat, own })).rejects.toMatchObject({
      code: 'STORAGE_BUSY',
      message: expect.stringContaining('standby'),
    })
  })

  it('a pool replaces its connections to a standby after refused writes, although these connections stay intact', {
    timeout: 60_000,
  }, async () => {
    const direct = postgresStorage({ url: servers.primary.url, schema: 'refused_writes', wakeUps: false })
    cleanUps.push(() => direct.close())
    const { id } = await addJob(direct, 'alpha')
    await servers.caughtUp()
    servers.leadTo(servers.standby)
    const storage = postgresStorage({ url: servers.url, schema: 'refused_writes', wakeUps: false })
    cleanUps.push(() => storage.close())
    const own = { node: 'one', incarnation: 'first', counter: 1, startedAt: 1, leaving: false, about: {} }
    const beat = () => storage.heartbeat({ now: 1, own, remove: [], profilesOf: [] })
    const pause = () =>
      storage.saveJobs({
        now: 1,
        changes: [{ kind: 'pause', id, paused: { at: 1, actor: null, reason: null } }],
      })
    const onStandby = { code: 'STORAGE_BUSY', message: expect.stringContaining('standby') }
    for (const write of [beat, pause]) await expect(write()).rejects.toMatchObject(onStandby)
    servers.leadTo(servers.primary)
    expect(await beat()).toMatchObject({ nodes: [own] })
    expect(await pause()).toMatchObject([{ outcome: 'saved' }])
  })

  it('a pool replaces its connections to a standby that rejects all statements, because transactions are serializable by default', {
    timeout: 60_000,
  }, async () => {
    const options = encodeURIComponent('-c default_transaction_isolation=serializable')
    servers.leadTo(servers.standby)
    const storage = postgresStorage({ url: `${servers.url}?options=${options}`, schema: 'all_refused', wakeUps: false })
    cleanUps.push(() => storage.close())
    await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ cause: { code: '0A000' } })
    servers.leadTo(servers.primary)
    expect(await storage.listJobs({ limit: 1, cursor: null })).toEqual({ items: [], cursor: null })
  })

  it('inspectPostgres reports a standby only if a query on that standby keeps dead rows from vacuum', {
    timeout: 120_000,
  }, async () => {
    const { primary, standby } = servers
    const holders = async () => (await inspectPostgres({ url: primary.url, wakeUps: false })).vacuumHolders
    const fedBack = 'SELECT backend_xmin::text FROM pg_stat_replication'
    await expect.poll(() => ask(primary, fedBack), { timeout: 20_000 }).toMatch(/\d/)
    expect((await holders()).filter(({ kind }) => kind === 'standby')).toEqual([])
    const report = new pg.Client({ connectionString: standby.url })
    cleanUps.push(() => report.end())
    await report.connect()
    await report.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1')
    const many = 'DO $$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$'
    await ask(primary, many)
    await expect
      .poll(holders, { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ kind: 'standby', forMs: null }))
  })
})
