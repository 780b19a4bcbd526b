import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { redisStorage } from '@jobistemer/storage-redis'
import type { Ledger } from './ledger.ts'
import { checkServer, withoutPassword } from './user-server.ts'

/** Keeps the ledger in keys with a new prefix on a Redis or Valkey server. */
export const redis: Ledger = {
  async prepare({ folder, server }) {
    if (server !== null) {
      const name = `jobistemer-demo-${randomUUID().slice(0, 8)}`
      const location = { address: server, name }
      await checkServer('--redis-url', server, redis.open(location))
      return {
        location,
        description: `at ${withoutPassword(server)}, all keys begin with {${name}`,
        stop: async () => {},
      }
    }
    // Only the demo's own process starts a server. The workers need not load the package that starts servers.
    const { startRedis } = await import('@jobistemer/test-servers')
    const directory = join(folder, 'redis')
    const own = await startRedis({ directory, config: { appendonly: 'yes' }, ownGroup: true })
    return {
      location: { address: own.url, name: 'jobistemer-demo' },
      description: `process ${own.pid} at ${own.url}, in ${directory}`,
      stop: () => own.stop(),
    }
  },
  open({ address, name }) {
    return redisStorage({ url: address, prefix: name })
  },
}
