import { join } from 'node:path'
import { ProxiedServer } from './proxied-server.ts'
import type { StorageKind } from './storage-kind.ts'

// What was acknowledged survives a SIGKILL of the server.
export const durableRedis = { appendonly: 'yes', appendfsync: 'always' }

/** A private Redis behind a proxy; its data are in the run's folder. */
export const redis: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 0.6,
  slowdown: 1,
  intervals: { pollInterval: 200, reapInterval: 300, definitionInterval: 300, heartbeat: 250, deadAfter: 1500 },
  async prepare(folder) {
    const { startRedis, startTcpProxy } = await import('@jobistemer/test-servers')
    const server = await startRedis({ config: durableRedis, directory: join(folder, 'redis') })
    const proxy = await startTcpProxy(server)
    const proxied = new ProxiedServer([{ server, proxy }])
    return { location: `redis://${proxy.host}:${proxy.port}`, server: proxied, stop: () => proxied.stop() }
  },
  async open(location) {
    const { redisStorage } = await import('@jobistemer/storage-redis')
    return redisStorage({ url: location, prefix: 'torture' })
  },
}
