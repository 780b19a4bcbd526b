import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { onPort } from './private-server.ts'
import { type RedisProduct, type RedisServer, startRedis } from './redis.ts'

export interface RedisCluster {
  /** URL of one cluster node, from which clients find the other nodes. */
  readonly url: string
  readonly nodes: readonly RedisServer[]
  stop(): Promise<void>
}

const slots = 16_384
const formLimitMs = 60_000
/** Interval in ms at which nodes repeat their invitations, because a busy server may forget one. */
const meetEveryMs = 6000

/** Starts a Redis Cluster of masters without replicas. Resolves when the masters serve all hash slots. */
export async function startRedisCluster(
  options: {
    readonly masters?: number
    readonly product?: RedisProduct
    readonly config?: Readonly<Record<string, string>>
  } = {},
): Promise<RedisCluster> {
  const { masters = 3, product = 'redis', config = {} } = options
  const nodes: RedisServer[] = []
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    for (let index = 0; index < masters; index++) nodes.push(await startNode(product, config))
    const clients = nodes.map(({ url }) => new Redis(url))
    try {
      await form(nodes, clients)
    } finally {
      for (const client of clients) client.disconnect()
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { url: nodes[0]?.url ?? '', nodes, stop }
}

async function startNode(product: RedisProduct, config: Readonly<Record<string, string>>): Promise<RedisServer> {
  // The default bus port is the server's port plus 10,000. This number may be greater than the highest possible port. So each
  // server receives a free bus port, and another one if another process has taken this port meanwhile.
  return await onPort(undefined, (busPort) =>
    startRedis({
      product,
      config: {
        'cluster-enabled': 'yes',
        'cluster-config-file': 'nodes.conf',
        'cluster-port': String(busPort),
        'cluster-node-timeout': '30000',
        ...config,
      },
    }),
  )
}

async function form(nodes: readonly RedisServer[], clients: readonly Redis[]): Promise<void> {
  const first = clients[0]
  if (first === undefined) throw new Error('A Redis Cluster needs at least one master.')
  for (const [index, client] of clients.entries()) {
    const from = Math.ceil((index * slots) / clients.length)
    const to = Math.ceil(((index + 1) * slots) / clients.length) - 1
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
  }
  const [seed] = nodes
  const busPort = /@(\d+)/.exec(String(await first.call('CLUSTER', 'NODES')))?.[1] ?? ''
  const meet = async () => {
    for (const client of clients.slice(1)) {
      await client.call('CLUSTER', 'MEET', seed?.host ?? '', seed?.port ?? 0, busPort)
    }
  }
  await meet()
  let metAt = performance.now()
  const deadline = metAt + formLimitMs
  while (!(await isFormed(clients))) {
    if (performance.now() > deadline) throw new Error(`The Redis Cluster did not form within ${formLimitMs} ms.`)
    await sleep(50)
    if (performance.now() < metAt + meetEveryMs) continue
    await meet()
    metAt = performance.now()
  }
}

async function isFormed(clients: readonly Redis[]): Promise<boolean> {
  const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')))
  return infos.every((info) => {
    const text = String(info)
    return /cluster_state:ok/.test(text) && new RegExp(`cluster_known_nodes:${clients.length}\\r`).test(text)
  })
}
