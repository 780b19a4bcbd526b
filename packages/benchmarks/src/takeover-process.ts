import { setTimeout as wait } from 'node:timers/promises'
import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

// One node of the benchmark of takeovers: with the default options, but for those that it is given.

/** What a node of the benchmark is told. */
export interface TakeoverOrder {
  readonly url: string
  readonly nodeId: string
  /** The job that it begins at once; `null`: it begins none. */
  readonly begins: string | null
  /** The names of all jobs. */
  readonly jobs: readonly string[]
  /** In milliseconds; `null`: the default. */
  readonly heartbeat: number | null
}

const order = JSON.parse(process.argv[2] ?? '') as TakeoverOrder
const { url, nodeId, heartbeat } = order
const storage = url.startsWith('redis:') ? redisStorage({ url }) : sqliteStorage({ file: url })
// Far away: such a job runs only what is asked for.
const schedule = cron('0 0 0 1 1 * 2099')
const scheduler = createScheduler({
  storage,
  nodeId,
  logger: silentLogger,
  ...(heartbeat !== null && { heartbeat }),
  jobs: order.jobs.map((name) =>
    defineJob({
      name,
      schedule,
      tasks: [
        {
          name: 'work',
          taskTimeout: { minutes: 10 },
          run: async ({ attempt, sleep }) => {
            process.send?.({ job: name, attempt, at: Date.now() })
            await sleep({ minutes: 5 })
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.on('message', async () => {
  await scheduler.shutdown({ gracePeriod: 0 })
  await storage.close()
  process.disconnect()
})
process.send?.('ready')
if (order.begins !== null) {
  // The first look for work keeps all places, and the run would wait for whoever takes it.
  await wait(500)
  await scheduler.trigger(order.begins)
}
