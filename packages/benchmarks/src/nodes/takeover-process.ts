import { setTimeout as wait } from 'node:timers/promises'
import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { openStorage } from './open-storage.ts'

// One node of the benchmark of takeovers: with the default options, but for those that it is given.

/** What a node of the benchmark is told. */
export interface TakeoverOrder {
  readonly address: string
  readonly nodeId: string
  /** The names of all jobs. */
  readonly jobs: readonly string[]
  /** In milliseconds; `null`: the default. */
  readonly heartbeat: number | null
}

/** That a handler was called. */
export interface Start {
  readonly job: string
  readonly node: string
  readonly attempt: number
  /** Epoch milliseconds. */
  readonly at: number
}

/** That the process has loaded its code, and begins with its work. */
export interface Begin {
  readonly node: string
  /** Epoch milliseconds. */
  readonly beginsAt: number
}

const order = JSON.parse(process.argv[2] ?? '') as TakeoverOrder
const { address, nodeId, heartbeat } = order
// Also when whoever measures has ended, and the storage with it.
process.on('disconnect', () => process.exit())
process.send?.({ node: nodeId, beginsAt: Date.now() } satisfies Begin)
const storage = await openStorage(address)
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
            process.send?.({ job: name, node: nodeId, attempt, at: Date.now() } satisfies Start)
            // Who takes it over keeps its place for others.
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
// The first look for work keeps all places, and what is triggered meanwhile waits for whoever takes it.
await wait(500)
process.send?.('ready')
