import { jobId, systemClock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { addJob } from '@jobistemer/test-kit'
import type { RedisServer } from '@jobistemer/test-servers'
import { patient } from './prefixes.ts'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open, onClose } = useServers()

const look = (storage: Storage) => storage.get({ jobs: [jobId('alpha')] })

/**
 * Loads a new copy of the package, because the copy that is already loaded may have warned about an earlier test's server on
 * the same port.
 */
async function loadAnew(): Promise<typeof redisStorage> {
  vi.resetModules()
  return (await import('../src/index.ts')).redisStorage
}

describe('the first call of a Redis storage', () => {
  it('creates the namespace, and later calls find it', async () => {
    const server = await start()
    const job = await addJob(open({ url: server.url }), 'alpha')
    expect((await look(open({ url: server.url }))).jobs).toEqual([job])
    expect(await admin(server.url).hgetall('{jobistemer}:meta')).toEqual({ shards: '1', schema: '1' })
  })

  it('rejects within its time limit if no server listens', async () => {
    const server = await start()
    await server.kill()
    const error = await refusal(look(open({ url: server.url })))
    expect(error.code).toBe('STORAGE_UNREACHABLE')
    expect(error.message).toContain(`127.0.0.1:${server.port}`)
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('fails with a wrong password, and no error contains the password', async () => {
    const server = await start({ requirepass: 'right' })
    const error = await refusal(look(open({ url: server.url.replace('right', 'secret-but-wrong') })))
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.message).toContain('password')
    expect(error.message).not.toContain('secret-but-wrong')
    expect((await refusal(look(open({ url: `redis://127.0.0.1:${server.port}` })))).code).toBe('STORAGE_UNREADABLE')
    expect((await look(open({ url: server.url }))).jobs).toEqual([null])
  })

  it.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])(
    'fails if the server has the maxmemory-policy %s',
    async (policy) => {
      const server = await start({ 'maxmemory-policy': policy })
      const storage = open({ url: server.url })
      const error = await refusal(look(storage))
      expect([error.code, error.field, error.value]).toEqual(['STORAGE_UNREADABLE', 'maxmemory-policy', policy])
      expect(error.remedy).toContain('noeviction')
      await admin(server.url).config('SET', 'maxmemory-policy', 'noeviction')
      expect((await look(storage)).jobs).toEqual([null])
    },
  )

  it('fails on a replica', async () => {
    const primary = await start()
    const replica = await start({ replicaof: `127.0.0.1 ${primary.port}` })
    const error = await refusal(look(open({ url: replica.url })))
    expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'role'])
  })

  it('fails if the server refuses the database of the url, and never uses database 0 instead', async () => {
    const server = await start({ databases: '2' })
    const client = admin(server.url)
    const error = await refusal(addJob(open({ url: `${server.url}/2` }), 'alpha'))
    expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'url'])
    expect(error.message).toContain('database')
    expect(await client.keys('*')).toEqual([])
    const storage = open({ url: `${server.url}/1` })
    await addJob(storage, 'alpha')
    await look(open({ url: server.url }))
    await client.call('ACL', 'SETUSER', 'default', '-select')
    await client.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'yes')
    // The first calls may fail because their connection broke.
    let code = 'STORAGE_UNREACHABLE'
    while (code === 'STORAGE_UNREACHABLE') code = (await refusal(look(storage))).code
    expect(code).toBe('STORAGE_UNREADABLE')
  })

  it('fails if the database number of the url is too large for SELECT', async () => {
    const { url } = await start()
    const error = await refusal(look(open({ url: `${url}/99999999999` })))
    expect([error.code, error.message]).toEqual(['STORAGE_UNREADABLE', expect.stringContaining('database')])
  })

  it('fails if the url has a database number and the server does not know SELECT', async () => {
    const { url } = await start({ 'rename-command': 'SELECT ""' })
    const error = await refusal(look(open({ url: `${url}/1` })))
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.message).toContain('database')
  })

  it('fails if the option shards differs from the number of shards in the data', async () => {
    const server = await start()
    await addJob(open({ url: server.url, shards: 4 }), 'alpha')
    const error = await refusal(look(open({ url: server.url, shards: 8 })))
    expect([error.code, error.field, error.value]).toEqual(['STORAGE_UNREADABLE', 'shards', 8])
    expect(error.message).toContain('4')
    expect((await look(open({ url: server.url }))).jobs).not.toEqual([null])
  })

  it('fails for data of a newer schema, and does not change them', async () => {
    const server = await start()
    const client = admin(server.url)
    await client.hset('{jobistemer}:meta', { schema: 2, shards: 1 })
    const error = await refusal(addJob(open({ url: server.url }), 'alpha'))
    expect(error.code).toBe('STORAGE_SCHEMA_NEWER')
    expect(await client.keys('*')).toEqual(['{jobistemer}:meta'])
  })

  it.each([
    ['a text', (client: Redis) => client.set('{jobistemer}:meta', 'x')],
    ['other fields', (client: Redis) => client.hset('{jobistemer}:meta', 'x', 'y')],
  ])('fails if the key of the namespace contains a value of another application: %s', async (_what, spoil) => {
    const server = await start()
    const client = admin(server.url)
    await spoil(client)
    const error = await refusal(addJob(open({ url: server.url }), 'alpha'))
    expect(error.code).toBe('STORAGE_FOREIGN')
    expect(await client.keys('*')).toEqual(['{jobistemer}:meta'])
  })

  it('logs a warning if, and only if, the server stores nothing on disk', async () => {
    const warnings: object[] = []
    const logger = { warn: (fields: object) => warnings.push(fields) }
    const openAnew = await loadAnew()
    const lookOnce = async ({ url }: RedisServer): Promise<void> => {
      const storage = openAnew({ url, logger })
      onClose(() => storage.close())
      await look(storage)
    }
    for (const config of [{ appendonly: 'yes' }, { save: '3600 1' }]) await lookOnce(await start(config))
    expect(warnings).toEqual([])
    const server = await start()
    // Each copy of the package has its own list of servers about which it has warned. After this call, the list of the
    // loaded copy contains this server. The new copy must still warn.
    await look(open({ url: server.url }))
    await lookOnce(server)
    await lookOnce(server)
    expect(warnings).toEqual([{ code: 'REDIS_NOT_PERSISTENT', place: `redis://127.0.0.1:${server.port}` }])
  })

  it('emits a process warning if the storage has no logger', async () => {
    const server = await start()
    const warned = new Promise<Error & { readonly code?: string }>((resolve) => {
      const hear = (warning: Error): void => {
        // Node.js and other tests of this process may emit warnings too.
        if (warning.name !== 'JobistemerWarning') return
        process.off('warning', hear)
        resolve(warning)
      }
      process.on('warning', hear)
    })
    const storage = (await loadAnew())({ url: server.url })
    await look(storage)
    await storage.close()
    const warning = await warned
    expect(warning).toMatchObject({ name: 'JobistemerWarning', code: 'REDIS_NOT_PERSISTENT' })
    expect(warning.message).toContain('appendonly')
  })

  it('succeeds on a managed service that does not allow CONFIG', async () => {
    const server = await start()
    await admin(server.url).call('ACL', 'SETUSER', 'default', '-config')
    expect((await look(open({ url: server.url }))).jobs).toEqual([null])
  })
})

describe('an ioredis client that the caller gives to the storage', () => {
  it('is used, and stays open when the storage closes', async () => {
    const client = admin((await start()).url)
    const storage = redisStorage({ client, ...patient })
    const job = await addJob(storage, 'alpha')
    expect((await look(storage)).jobs).toEqual([job])
    await storage.close()
    expect(await client.ping()).toBe('PONG')
  })

  it('makes the first call fail if the server refused its database when it connected', async () => {
    const { url } = await start({ databases: '2' })
    expect((await refusal(addJob(open({ client: admin(`${url}/2`) }), 'alpha'))).code).toBe('STORAGE_UNREADABLE')
    expect(await admin(url).keys('*')).toEqual([])
  })

  it.each([
    [1, 2],
    [1, 0],
  ])('that has database %i in its options stays in database %i if its owner has selected it', async (first, second) => {
    const { url } = await start()
    const client = admin(`${url}/${first}`)
    await client.select(second)
    const job = await addJob(open({ client }), 'alpha')
    expect((await look(open({ url: `${url}/${second}` }))).jobs).toEqual([job])
    expect((await look(open({ url: `${url}/${first}` }))).jobs).toEqual([null])
  })

  it('serves several storages with different prefixes, and each sees only its own jobs', async () => {
    const client = admin((await start()).url)
    const [first, second] = [open({ client, prefix: 'first' }), open({ client, prefix: 'second' })]
    await addJob(first, 'alpha')
    expect((await look(second)).jobs).toEqual([null])
  })

  it('makes calls fail with STORAGE_CLOSED once the caller has disconnected it', async () => {
    const client = admin((await start()).url)
    const storage = open({ client })
    await look(storage)
    client.disconnect()
    expect((await refusal(look(storage))).code).toBe('STORAGE_CLOSED')
  })

  it('makes calls fail with an error that names its retryStrategy once it has given up', async () => {
    const server = await start()
    const client = admin(server.url, { retryStrategy: () => null })
    const storage = open({ client })
    await look(storage)
    const ended = new Promise((resolve) => client.once('end', resolve))
    await server.kill()
    await ended
    const error = await refusal(look(storage))
    expect(error.code).toBe('STORAGE_CLOSED')
    expect(error.remedy).toContain('retryStrategy')
  })

  it('is named by its Sentinel name in errors if it uses Sentinel', async () => {
    const server = await start()
    await server.kill()
    const sentinels = [{ host: server.host, port: server.port }]
    const client = new Redis({ sentinels, name: 'primary', sentinelRetryStrategy: () => null, lazyConnect: true })
    client.on('error', () => {})
    expect((await refusal(look(open({ client })))).message).toContain('Redis Sentinel primary')
  })

  it('works with a storage whose commandTimeout is 10 minutes, even if the timer of this timeout fires early', async () => {
    const storage = open({ client: admin((await start()).url), commandTimeout: { minutes: 10 } })
    await look(storage)
    const setTimer = vi.spyOn(systemClock, 'setTimer')
    onTestFinished(() => setTimer.mockRestore())
    setTimer.mockImplementationOnce((_, callback) => {
      queueMicrotask(callback)
      return { cancel: () => {} }
    })
    expect((await look(storage)).jobs).toEqual([null])
    expect(setTimer.mock.calls[0]?.[0]).toBe(600_000)
  })

  it('may wait for its server without a limit, while storage calls end at their time limit', async () => {
    const server = await start()
    const client = admin(server.url, { maxRetriesPerRequest: null })
    const storage = open({ client, commandTimeout: 300, waitTimeout: 100 })
    // The poll allows 30 s, because a busy machine may be slow to answer.
    const isAnswered = async () => {
      await expect.poll(() => look(storage).catch(() => null), { timeout: 30_000 }).toMatchObject({ jobs: [null] })
    }
    await isAnswered()
    await server.kill()
    const error = await refusal(look(storage))
    expect([error.code, error.field]).toEqual(['STORAGE_BUSY', 'commandTimeout'])
    await server.restart()
    await client.ping()
    await isAnswered()
  })
})
