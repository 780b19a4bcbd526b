import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { jobNames } from './node-order.ts'
import { openStorage } from './open-storage.ts'

// One node of the benchmark of failover: jobs that are due every second, with the default options.

/** What a node of the benchmark is told. */
export interface FailoverOrder {
  readonly address: string
  readonly prefix: string
  readonly nodeId: string
  readonly jobs: number
  /** In milliseconds; `null`: the default. */
  readonly heartbeat: number | null
}

/** That a slot was started. */
export interface SlotStart {
  readonly job: string
  readonly slot: number
  readonly node: string
  readonly lateness: number
}

const { address, prefix, nodeId, jobs, heartbeat } = JSON.parse(process.argv[2] ?? '') as FailoverOrder
// Also when whoever measures has ended, and the storage with it.
process.on('disconnect', () => process.exit())
const schedule = cron('* * * * * *')
const storage = await openStorage(address, prefix)
const unsaid: SlotStart[] = []

function say(start: SlotStart): void {
  // At once, as far as possible: what is unsaid when the node is killed counts as never started.
  if (unsaid.length === 0) setImmediate(() => process.send?.(unsaid.splice(0)))
  unsaid.push(start)
}

const scheduler = createScheduler({
  storage,
  nodeId,
  logger: silentLogger,
  ...(heartbeat !== null && { heartbeat }),
  jobs: jobNames(jobs).map((name) =>
    defineJob({
      name,
      schedule,
      // A slot that was running when its node was killed is not to keep others from being measured.
      overlapPolicy: 'allow',
      tasks: [
        {
          name: 'work',
          run: ({ scheduledAt, attempt }) => {
            const slot = scheduledAt.getTime()
            // What is run again is the business of the benchmark of takeovers.
            if (attempt === 1) say({ job: name, slot, node: nodeId, lateness: Date.now() - slot })
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.send?.('ready')
