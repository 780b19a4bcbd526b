import type { RedisServer, TcpProxy } from '@jobistemer/test-servers'
import { wrapStorage } from '@jobistemer/core/testing'
import { sleep } from '../support/sleep.ts'
import { type ProxiedProcess, ProxiedServer } from './proxied-server.ts'
import { durableRedis } from './redis.ts'
import type { StorageKind } from './storage-kind.ts'

// Time in ms after which masters declare a silent master failed. From then on, the cluster rejects writes. Some killed masters
// are down for longer than this time, so runs include this case.
const nodeTimeoutMs = 2000

const lookEveryMs = 50

/**
 * A Redis Cluster of three masters, each behind a proxy. Each master announces the port of its proxy, so clients know
 * no other port.
 */
export const redisCluster: StorageKind = {
  usualSkewMinutes: 5,
  secondsPerKill: 0.8,
  slowdown: 1,
  intervals: { pollInterval: 200, deadAfter: 1500 },
  async prepare() {
    const { startRedisCluster } = await import('@jobistemer/test-servers')
    const config = { ...durableRedis, 'cluster-node-timeout': String(nodeTimeoutMs) }
    const cluster = await startRedisCluster({ config })
    try {
      const processes = await announceProxies(cluster.nodes)
      const server = new ProxiedServer(processes)
      const location = processes.map(({ proxy }) => `redis://${proxy.host}:${proxy.port}`).join(' ')
      return { location, server, stop: () => server.stop() }
    } catch (error) {
      await cluster.stop()
      throw error
    }
  },
  async open(location) {
    const { Cluster } = await import('ioredis')
    const { redisStorage } = await import('@jobistemer/storage-redis')
    const client = new Cluster(location.split(' '))
    // Failing calls report the connection error, so this listener ignores the event.
    client.on('error', () => {})
    const storage = redisStorage({ client, prefix: 'torture' })
    return wrapStorage(storage, {
      async close() {
        await storage.close()
        client.disconnect()
      },
    })
  },
}

async function announceProxies(servers: readonly RedisServer[]): Promise<readonly ProxiedProcess[]> {
  const { startTcpProxy } = await import('@jobistemer/test-servers')
  const processes: ProxiedProcess[] = []
  for (const server of servers) {
    const proxy = await startTcpProxy(server)
    await announce(server, proxy)
    processes.push({ server, proxy })
  }
  for (const server of servers) {
    while (!(await knowsAll(server, processes))) await sleep(lookEveryMs)
  }
  return processes
}

async function announce(server: RedisServer, { port }: TcpProxy): Promise<void> {
  const { Redis } = await import('ioredis')
  const client = new Redis(server.url)
  try {
    // The master also announces its bus port. Otherwise other masters would compute this port from the announced port
    // of the proxy.
    const [, busPort] = (await client.config('GET', 'cluster-port')) as [string, string]
    await client.config('SET', 'cluster-announce-port', port, 'cluster-announce-bus-port', busPort)
    // Writes the configuration to disk for the next start.
    await client.config('REWRITE')
  } finally {
    client.disconnect()
  }
}

async function knowsAll(server: RedisServer, processes: readonly ProxiedProcess[]): Promise<boolean> {
  const { Redis } = await import('ioredis')
  const client = new Redis(server.url)
  try {
    const nodes = String(await client.cluster('NODES'))
    return processes.every(({ proxy }) => nodes.includes(`:${proxy.port}@`))
  } finally {
    client.disconnect()
  }
}
