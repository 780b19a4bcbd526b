import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { jobNames } from './node-order.ts'
import { openStorage } from './open-storage.ts'

// One node of the failover benchmark: jobs that are due every second, with the default options.

/** The order for a node of the benchmark. */
export interface FailoverOrder {
  readonly address: string
  readonly prefix: string
  readonly nodeId: string
  readonly jobs: number
  /** In milliseconds; `null`: the default. */
  readonly deadAfter: number | null
}

/** Reports the start of a slot. */
export interface SlotStart {
  readonly job: string
  readonly slot: number
  readonly node: string
  readonly lateness: number
}

const { address, prefix, nodeId, jobs, deadAfter } = JSON.parse(process.argv[2] ?? '') as FailoverOrder
// The node also exits if the benchmark has ended, and its storage with it.
process.on('disconnect', () => process.exit())
const schedule = cron('* * * * * *')
const storage = await openStorage(address, prefix)
const unsaid: SlotStart[] = []

function say(start: SlotStart): void {
  // Sent as early as possible: a start that is not sent when the node is killed counts as missing.
  if (unsaid.length === 0) setImmediate(() => process.send?.(unsaid.splice(0)))
  unsaid.push(start)
}

const scheduler = createScheduler({
  storage,
  nodeId,
  logger: silentLogger,
  ...(deadAfter !== null && { deadAfter }),
  jobs: jobNames(jobs).map((name) =>
    defineJob({
      name,
      schedule,
      // A slot that runs when its node is killed must not block later slots.
      overlapPolicy: 'allow',
      tasks: [
        {
          name: 'work',
          run: ({ scheduledAt, attempt }) => {
            const slot = scheduledAt.getTime()
            // Another benchmark measures takeovers.
            if (attempt === 1) say({ job: name, slot, node: nodeId, lateness: Date.now() - slot })
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.send?.('ready')
