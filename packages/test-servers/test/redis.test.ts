import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, expect, it, vi } from 'vitest'
import { type RedisProduct, sharedRedis, startRedis, startRedisCluster, startTcpProxy } from '../src/index.ts'

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function client(target: string): Redis {
  const redis = new Redis(target, { retryStrategy: null, maxRetriesPerRequest: 0 })
  redis.on('error', () => {})
  cleanUps.push(() => redis.disconnect())
  return redis
}

it.each<RedisProduct>(['redis', 'valkey'])(
  'the server %s starts, answers, and leaves no files behind',
  async (product) => {
    const server = await startRedis({ product })
    const redis = client(server.url)
    expect(await redis.set('key', 'value')).toBe('OK')
    expect((await redis.info('server')).includes('valkey_version')).toBe(product === 'valkey')
    await server.stop()
    await expect(redis.get('key')).rejects.toThrow()
    expect(existsSync(server.directory)).toBe(false)
  },
)

it('a killed Redis restarts on the same port with its persisted data', async () => {
  const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always', requirepass: 'secret' } })
  cleanUps.push(() => server.stop())
  await client(server.url).set('key', 'value')
  await server.kill()
  await server.restart()
  expect(await client(server.url).get('key')).toBe('value')
})

/** Returns whether the process leads a process group: `kill` with a negative id addresses a group. */
function leadsGroup(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}

it('Ctrl-C reaches a Redis server and its parent, unless the server has its own process group', async () => {
  const [shared, own] = [await startRedis(), await startRedis({ ownGroup: true })]
  cleanUps.push(() => Promise.all([shared.stop(), own.stop()]))
  expect([leadsGroup(shared.pid), leadsGroup(own.pid)]).toEqual([false, true])
})

it('two Redis servers share no data', async () => {
  const [one, other] = await Promise.all([startRedis(), startRedis()])
  cleanUps.push(
    () => one.stop(),
    () => other.stop(),
  )
  await client(one.url).set('key', 'value')
  expect(await client(other.url).get('key')).toBeNull()
})

it('startRedis rejects with Redis’ output if the server rejects its configuration', async () => {
  await expect(startRedis({ config: { appendfsync: 'now and then' } })).rejects.toThrow(/appendfsync/)
})

it('tests share one Redis server if an environment variable names this server', async () => {
  const server = await startRedis()
  cleanUps.push(
    () => server.stop(),
    () => vi.unstubAllEnvs(),
  )
  vi.stubEnv('JOBISTEMER_TEST_REDIS_URL', server.url)
  const shared = await sharedRedis()
  expect(shared.url).toBe(server.url)
  await shared.stop()
  expect(await client(server.url).ping()).toBe('PONG')
  vi.stubEnv('JOBISTEMER_TEST_REDIS_URL', '')
  const own = await sharedRedis()
  cleanUps.push(() => own.stop())
  expect(own.url).not.toBe(server.url)
})

it('a started Redis Cluster covers all hash slots', async () => {
  const cluster = await startRedisCluster()
  cleanUps.push(() => cluster.stop())
  expect(cluster.nodes).toHaveLength(3)
  for (const { url } of cluster.nodes) expect(await client(url).cluster('INFO')).toContain('cluster_slots_ok:16384')
})

it('the TCP proxy drops answers of requests that the server has executed', async () => {
  const server = await startRedis()
  const proxy = await startTcpProxy(server)
  cleanUps.push(
    () => server.stop(),
    () => proxy.close(),
  )
  const url = `redis://${proxy.host}:${proxy.port}`
  const through = client(url)
  await through.set('count', '1')
  proxy.loseAnswers()
  const lost = through.incr('count')
  const refused = expect(lost).rejects.toThrow()
  const direct = client(server.url)
  while ((await direct.get('count')) !== '2') await new Promise((resolve) => setImmediate(resolve))
  proxy.heal()
  await refused
  expect(await client(url).get('count')).toBe('2')
  proxy.cut()
  await expect(client(url).get('count')).rejects.toThrow()
})

it('startRedis rejects if another server answers on the same port', async () => {
  const other = await startRedis()
  cleanUps.push(() => other.stop())
  const folder = mkdtempSync(join(tmpdir(), 'slow-redis-'))
  cleanUps.push(
    () => rmSync(folder, { recursive: true }),
    () => vi.unstubAllEnvs(),
  )
  // The fake server reports the taken port only after 0.5 s. Before this report, the probe has reached the other
  // server, which has the port.
  writeFileSync(join(folder, 'redis-server'), '#!/bin/sh\nsleep 0.5\necho "Address already in use"\nexit 1\n', {
    mode: 0o755,
  })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  await expect(startRedis({ port: other.port })).rejects.toThrow('Address already in use')
})
