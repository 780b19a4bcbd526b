import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import { createClient, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { createTable } from '@jobistemer/storage-dynamodb'
import { redisStorage } from '@jobistemer/storage-redis'
import { type RedisServer, startDynamoDB, startRedis } from '@jobistemer/test-servers'
import { cron } from '@jobistemer/ticker-cron'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startCli } from './spawn-cli.ts'
import { runCli } from './run-cli.ts'

const cwd = process.cwd()
const job = defineJob({
  name: 'import',
  schedule: cron('0 0 1 1 *', { timezone: 'UTC' }),
  tasks: [{ name: 'a', handler: 'h' }],
})
const ask = (argv: readonly string[], place: string) => runCli([...argv, '-s', place], { now: null, cwd })
const codesOf = (out: string) => JSON.parse(out).findings.map(({ code }: { code: string }) => code)

describe('the CLI on Redis', () => {
  let server: RedisServer
  let admin: Redis

  beforeAll(async () => {
    server = await startRedis({ config: { requirepass: 'right' } })
    admin = new Redis(server.url)
    const storage = redisStorage({ url: server.url, prefix: 'cli', logger: silentLogger })
    const client = createClient({ storage, logger: silentLogger })
    await client.add(job)
    await client.close()
    await storage.close()
  })

  afterAll(async () => {
    admin.disconnect()
    await server.stop()
  })

  it('lists and triggers jobs under the keys of --prefix', async () => {
    const { code, out } = await startCli(['jobs', '-s', server.url, '--prefix', 'cli', '--json']).ended
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, jobs: [{ name: 'import' }] })
    expect(await ask(['trigger', 'import', '--prefix', 'cli'], server.url)).toMatchObject({ code: 0 })
    expect((await ask(['counts', '--prefix', 'cli'], server.url)).out).toContain('pending  1')
  })

  it('doctor reports Redis without persistence (REDIS_NOT_PERSISTENT) and a clock an hour ahead (CLOCK_OFFSET)', async () => {
    const examine = ['doctor', '--observe', '0', '--prefix', 'cli', '--json']
    // A process logs the warning once per server address. So this call is the first with this form of the address.
    const { out: said } = await ask(examine, server.url.replace('127.0.0.1', 'localhost'))
    expect(codesOf(said)).toEqual(['REDIS_NOT_PERSISTENT', 'NO_NODE_LIVES'])
    const ahead = virtualClock(systemClock.now() + 3_610_000)
    const { out } = await runCli([...examine, '-s', server.url], { now: ahead, cwd })
    expect(JSON.parse(out).findings).toContainEqual(
      expect.objectContaining({
        code: 'CLOCK_OFFSET',
        severity: 'error',
        message: expect.stringMatching(/1 h ahead of/),
      }),
    )
  })

  it('trigger and run use the clock of Redis if the clock of their own machine is wrong', async () => {
    const ahead = { ...systemClock, now: () => systemClock.now() + 3_600_000 }
    const { code, out } = await runCli(
      ['trigger', 'import', '--prefix', 'cli', '--key', 'k', '-s', server.url, '--json'],
      {
        now: ahead,
        cwd,
      },
    )
    expect(code).toBe(1)
    const { id } = JSON.parse(out)
    const { out: shown } = await ask(['run', id, '--json', '--prefix', 'cli'], server.url)
    const createdAt = Date.parse(JSON.parse(shown).occurrence.createdAt)
    expect(Math.abs(createdAt - systemClock.now())).toBeLessThan(60_000)
  })

  it('doctor exits with 3 if Redis may evict keys (STORAGE_EVICTS) or has a newer schema (STORAGE_SCHEMA_NEWER)', async () => {
    const examine = ['doctor', '--json', '--prefix', 'cli']
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const evicting = await ask(examine, server.url)
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    expect([evicting.code, codesOf(evicting.out)]).toEqual([3, ['STORAGE_EVICTS']])
    await admin.hset('{newer}:meta', { shards: 1, schema: 99 })
    const newer = await ask(['doctor', '--json', '--prefix', 'newer'], server.url)
    expect([newer.code, codesOf(newer.out)]).toEqual([3, ['STORAGE_SCHEMA_NEWER']])
  })

  it('conformance leaves no keys behind', async () => {
    const before = (await admin.keys('*')).sort()
    const grep = 'races of processes: many processes that replace'
    const asked = ['conformance', '--prefix', 'cli', '--grep', grep, '--scale', '0.1', '--json', '-s', server.url]
    const { code, out } = await runCli(asked, { now: null, cwd })
    expect({ code, ...JSON.parse(out) }).toMatchObject({
      code: 0,
      storage: server.url.replace(':right', '***'),
      capabilities: { multiProcess: true, serverTime: true, subscribe: true },
      passed: 1,
      failed: 0,
    })
    expect((await admin.keys('*')).sort()).toEqual(before)
  })

  it('reports a wrong password without printing the password', async () => {
    const { code, err } = await ask(['jobs'], server.url.replace('right', 'secret'))
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining('refuses the user name or the password') })
    expect(err).not.toContain('secret')
  })

  it('reports an error within --timeout if the server accepts connections and never answers', async () => {
    const mute = createServer().listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const { port } = mute.address() as AddressInfo
    const { code, err } = await startCli(['jobs', '-s', `redis://127.0.0.1:${port}`, '--timeout', '300ms']).ended
    expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(/STORAGE_(BUSY|TIMEOUT)/) })
    mute.close()
  })

  it('reports an error within --timeout if the server is absent', async () => {
    const { code, err } = await ask(['jobs', '--timeout', '20s'], 'redis://127.0.0.1:1')
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining('ECONNREFUSED') })
    expect(err).not.toMatch(/^ +at /m)
  })
})

describe('the CLI on DynamoDB', () => {
  it('lists jobs, reports a missing table, and runs conformance in a separate table', async () => {
    const server = await startDynamoDB({ data: 'memory' })
    try {
      const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
      const client = new DynamoDBClient({ endpoint: server.endpoint, region: 'local', credentials })
      await createTable({ client, tableName: 'jobs' })
      client.destroy()
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'local')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local')
      const place = (table: string) => `dynamodb:${table}?region=local&endpoint=${server.endpoint}`
      const { code, out } = await runCli(['jobs', '-s', place('jobs')], { now: null, cwd })
      expect({ code, out }).toEqual({ code: 0, out: 'No jobs.\n' })
      expect(await runCli(['jobs', '-s', place('none')], { now: null, cwd })).toMatchObject({ code: 3, out: '' })
      const asked = ['conformance', '-s', place('jobs'), '--grep', 'capabilities', '--timeout', '30s']
      expect(await startCli(asked).ended).toEqual({
        code: 0,
        out: expect.stringMatching(
          /^In the new table jobs-conformance-\d+, until the end\.\ndynamodb:jobs: 1 case: 1 passed, 0 failed\.\n$/,
        ),
        // The AWS client may write a warning about the version of Node.
        err: expect.anything(),
      })
      const tables = new DynamoDBClient({ endpoint: server.endpoint, region: 'local', credentials })
      expect((await tables.send(new ListTablesCommand({}))).TableNames).toEqual(['jobs'])
      tables.destroy()
    } finally {
      vi.unstubAllEnvs()
      await server.stop()
    }
  })
})
