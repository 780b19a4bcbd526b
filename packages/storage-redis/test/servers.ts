import type { Storage } from '@jobistemer/core/storage'
import { type RedisServer, startRedis, startTcpProxy, type TcpProxy } from '@jobistemer/test-servers'
import { Redis, type RedisOptions } from 'ioredis'
import { afterEach } from 'vitest'
import { type RedisStorageOptions, redisStorage } from '../src/index.ts'
import { patient } from './prefixes.ts'

/** Opens servers and storages, and closes them after the test, the last opened first. */
export interface Servers {
  start(config?: Readonly<Record<string, string>>): Promise<RedisServer>
  proxy(server: RedisServer): Promise<TcpProxy>
  client(url: string, options?: RedisOptions): Redis
  /** Opens a storage. Default `commandTimeout`: 60 s. */
  open(options: RedisStorageOptions): Storage
  onClose(close: () => unknown): void
}

/** Registers the cleanup after each test. A test file must call this function once. */
export function useServers(): Servers {
  const closing: (() => unknown)[] = []

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  return {
    async start(config = {}) {
      const server = await startRedis({ config })
      closing.push(() => server.stop())
      return server
    },
    async proxy(server) {
      const proxy = await startTcpProxy(server)
      closing.push(() => proxy.close())
      return proxy
    },
    client(url, options = {}) {
      const client = new Redis(url, options as RedisOptions & { replyMapping?: 'legacy' })
      client.on('error', () => {})
      closing.push(() => client.disconnect())
      return client
    },
    open(options) {
      const storage = redisStorage({ ...patient, ...options })
      closing.push(() => storage.close())
      return storage
    },
    onClose(close) {
      closing.push(close)
    },
  }
}
