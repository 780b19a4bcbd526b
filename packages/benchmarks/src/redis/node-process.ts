import { createScheduler, defineJob } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import { cron } from '@jobistemer/ticker-cron'
import { jobNames, type NodeOrder } from './node-jobs.ts'

// One node of the benchmark of several nodes.

const order = JSON.parse(process.argv[2] ?? '') as NodeOrder
const lateness: number[] = []
let runs = 0
// Far away: such a job runs only what is asked for.
const schedule = cron(order.isDueEverySecond ? '* * * * * *' : '0 0 0 1 1 * 2099')
const storage = redisStorage({ url: order.url, prefix: order.prefix })
const scheduler = createScheduler({
  storage,
  maxConcurrentJobs: 100,
  jobs: jobNames(order.jobs).map((name) =>
    defineJob({
      name,
      schedule,
      overlapPolicy: 'allow',
      tasks: [
        {
          name: 'work',
          run: async ({ scheduledAt }) => {
            runs++
            if (order.isDueEverySecond) lateness.push(Date.now() - scheduledAt.getTime())
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.on('message', async (message) => {
  if (message === 'report') process.send?.({ runs, lateness })
  else {
    await scheduler.shutdown()
    await storage.close()
    process.disconnect()
  }
})
process.send?.('ready')
