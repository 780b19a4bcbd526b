import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { startRedisCluster } from '@jobistemer/test-servers'
import { once } from '@jobistemer/ticker-once'
import { Cluster } from 'ioredis'
import { Redis as OlderRedis } from 'ioredis-5'
import { expect, it } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { useServers } from './servers.ts'

const { start, client: connect, open, onClose } = useServers()

const enableAutoPipelining = true

/** The kinds of clients, each with a function that opens one. */
const clients: readonly [name: string, make: () => Promise<RedisClient>][] = [
  ['of one server', async () => connect((await start()).url, { enableAutoPipelining })],
  [
    'of ioredis 5',
    async () => {
      const client = new OlderRedis((await start()).url, { enableAutoPipelining })
      onClose(() => client.disconnect())
      return client as unknown as RedisClient
    },
  ],
  [
    'of a Cluster',
    async () => {
      const cluster = await startRedisCluster({ masters: 3 })
      onClose(() => cluster.stop())
      const client = new Cluster(
        cluster.nodes.map(({ host, port }) => ({ host, port })),
        { enableAutoPipelining },
      )
      onClose(() => client.disconnect())
      return client
    },
  ],
]

async function expectToRun(storage: Storage): Promise<void> {
  let ended: (outcome: string) => void = () => {}
  const outcome = new Promise<string>((resolve) => {
    ended = resolve
  })
  const job = defineJob({
    name: 'work',
    schedule: once('2099-01-01T00:00:00Z'),
    tasks: [{ name: 'greet', run: () => 'hello' }],
    onComplete: (report) => ended(report.outcome),
  })
  const scheduler = createScheduler({ storage, jobs: [job] })
  await scheduler.start()
  await scheduler.trigger('work')
  expect(await outcome).toBe('completed')
  await scheduler.shutdown()
}

it.each(clients)(
  'a job runs if the Redis client of its storage has the option enableAutoPipelining: the client %s',
  async (_name, make) => {
    const client = await make()
    await expectToRun(open({ client }))
  },
)

it('a job runs on a Redis client with enableAutoPipelining after the server has dropped the scripts of the storage', async () => {
  const server = await start()
  const storage = open({ client: connect(server.url, { enableAutoPipelining }) })
  await storage.get({})
  await connect(server.url).script('FLUSH')
  await expectToRun(storage)
})
