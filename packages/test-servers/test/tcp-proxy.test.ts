import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { startRedis, startTcpProxy } from '../src/index.ts'

it('the TCP proxy keeps running when its server ends, and forwards to the next server on the same port', async () => {
  const server = await startRedis()
  const proxy = await startTcpProxy(server)
  onTestFinished(async () => {
    await proxy.close()
    await server.stop()
  })
  const ask = async () => {
    const redis = new Redis(proxy.port, proxy.host, { retryStrategy: null, maxRetriesPerRequest: 0 })
    redis.on('error', () => {})
    return await redis.ping().finally(() => redis.disconnect())
  }
  await server.kill()
  await expect(ask()).rejects.toThrow()
  await server.restart()
  expect(await ask()).toBe('PONG')
})
