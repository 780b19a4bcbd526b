import { setTimeout as wait } from 'node:timers/promises'
import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { openStorage } from './open-storage.ts'

// A node of the takeover benchmark. The node has the default options, except the options that `TakeoverOrder` contains.

/** The settings of a node of the takeover benchmark, as JSON in the first argument of its process. */
export interface TakeoverOrder {
  readonly address: string
  readonly nodeId: string
  /** The names of all jobs of the benchmark. */
  readonly jobs: readonly string[]
  /** `deadAfter` in ms; `null`: the scheduler's default. */
  readonly deadAfter: number | null
}

/** Reports that a handler was called. */
export interface Start {
  readonly job: string
  readonly node: string
  readonly attempt: number
  /** Time at which the handler was called, in epoch milliseconds. */
  readonly at: number
}

/** Reports that a process has loaded its code and begins its work. */
export interface Begin {
  readonly node: string
  /** Time at which the work begins, in epoch milliseconds. */
  readonly beginsAt: number
}

const order = JSON.parse(process.argv[2] ?? '') as TakeoverOrder
const { address, nodeId, deadAfter } = order
// When the benchmark process ends, this node exits too, because the server of the storage may end with the benchmark process.
process.on('disconnect', () => process.exit())
process.send?.({ node: nodeId, beginsAt: Date.now() } satisfies Begin)
const storage = await openStorage(address)
// A schedule in the distant future, so that the job runs only when it is triggered.
const schedule = cron('0 0 0 1 1 * 2099')
const scheduler = createScheduler({
  storage,
  nodeId,
  logger: silentLogger,
  ...(deadAfter !== null && { deadAfter }),
  jobs: order.jobs.map((name) =>
    defineJob({
      name,
      schedule,
      tasks: [
        {
          name: 'work',
          taskTimeout: { minutes: 10 },
          run: async ({ attempt, sleep }) => {
            process.send?.({ job: name, node: nodeId, attempt, at: Date.now() } satisfies Start)
            // The second attempt ends at once, so that it does not hold a permit of its node.
            if (attempt === 1) await sleep({ minutes: 8 })
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.on('message', async (message: { readonly trigger: string } | 'end') => {
  if (message !== 'end') {
    await scheduler.trigger(message.trigger)
    return
  }
  await scheduler.shutdown({ gracePeriod: 0 })
  await storage.close()
  process.disconnect()
})
// After its start, a node claims pending runs, and this first claim reserves all permits of the node. If the node triggered
// a run during this claim, another node would begin the run. So this node waits 500 ms until the claim has ended.
await wait(500)
process.send?.('ready')
