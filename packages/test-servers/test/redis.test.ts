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
  const redis = new Redis(target, { retryStrategy: null, maxRetriesPerRequest: 0, commandTimeout: 5000 })
  redis.on('error', () => {})
  cleanUps.push(() => redis.disconnect())
  return redis
}

it.each<RedisProduct>(['redis', 'valkey'])('%s starts, answers, and leaves nothing behind', async (product) => {
  const server = await startRedis({ product })
  const redis = client(server.url)
  expect(await redis.set('key', 'value')).toBe('OK')
  expect((await redis.info('server')).includes('valkey_version')).toBe(product === 'valkey')
  await server.stop()
  await expect(redis.get('key')).rejects.toThrow()
  expect(existsSync(server.directory)).toBe(false)
})

it('a killed server comes back on the same port with what it had persisted', async () => {
  const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always', requirepass: 'secret' } })
  cleanUps.push(() => server.stop())
  await client(server.url).set('key', 'value')
  await server.kill()
  await server.restart()
  expect(await client(server.url).get('key')).toBe('value')
})

/** Whether there is a process group that this process leads: a negative id names a group. */
function leadsGroup(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}

it('a Ctrl-C reaches a server with the process that started it, unless it is in a group of its own', async () => {
  const [shared, own] = [await startRedis(), await startRedis({ ownGroup: true })]
  cleanUps.push(() => Promise.all([shared.stop(), own.stop()]))
  expect([leadsGroup(shared.pid), leadsGroup(own.pid)]).toEqual([false, true])
})

it('two servers at once do not share anything', async () => {
  const [one, other] = await Promise.all([startRedis(), startRedis()])
  cleanUps.push(
    () => one.stop(),
    () => other.stop(),
  )
  await client(one.url).set('key', 'value')
  expect(await client(other.url).get('key')).toBeNull()
})

it('a server that refuses its configuration is an error with what it said', async () => {
  await expect(startRedis({ config: { appendfsync: 'now and then' } })).rejects.toThrow(/appendfsync/)
})

it('a shared server is the one that the environment names', async () => {
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

it('a cluster covers all slots as soon as it is there', async () => {
  const cluster = await startRedisCluster()
  cleanUps.push(() => cluster.stop())
  expect(cluster.nodes).toHaveLength(3)
  for (const { url } of cluster.nodes) expect(await client(url).cluster('INFO')).toContain('cluster_slots_ok:16384')
})

it('the proxy loses answers of what the server has done', async () => {
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

it('another server that answers on the port is not taken for the one that is started', async () => {
  const other = await startRedis()
  cleanUps.push(() => other.stop())
  const folder = mkdtempSync(join(tmpdir(), 'slow-redis-'))
  cleanUps.push(
    () => rmSync(folder, { recursive: true }),
    () => vi.unstubAllEnvs(),
  )
  // It finds its port taken later than the other one is asked.
  writeFileSync(join(folder, 'redis-server'), '#!/bin/sh\nsleep 0.5\necho "Address already in use"\nexit 1\n', {
    mode: 0o755,
  })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  await expect(startRedis({ port: other.port })).rejects.toThrow('Address already in use')
})
