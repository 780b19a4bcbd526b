import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { jobNames } from './node-order.ts'
import { openStorage } from './open-storage.ts'

// A node of the failover benchmark. Its jobs are due every second, and the node has the default options.

/** The settings of a node of the failover benchmark, as JSON in the first argument of its process. */
export interface FailoverOrder {
  readonly address: string
  readonly prefix: string
  readonly nodeId: string
  readonly jobs: number
  /** `deadAfter` in ms; `null`: the scheduler's default. */
  readonly deadAfter: number | null
}

/** Reports that a node has started the run of a slot. */
export interface SlotStart {
  readonly job: string
  readonly slot: number
  readonly node: string
  readonly lateness: number
}

const { address, prefix, nodeId, jobs, deadAfter } = JSON.parse(process.argv[2] ?? '') as FailoverOrder
// When the benchmark process ends, this node exits too, because the server of the storage may end with the benchmark process.
process.on('disconnect', () => process.exit())
const schedule = cron('* * * * * *')
const storage = await openStorage(address, prefix)
const unsaid: SlotStart[] = []

function say(start: SlotStart): void {
  // Sends all starts of one turn of the event loop right after this turn. After a longer delay, a kill could come before
  // the message. The benchmark would then count these starts as missing.
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
      // A slot that the killed node was running must not block later slots of the job.
      overlapPolicy: 'allow',
      tasks: [
        {
          name: 'work',
          run: ({ scheduledAt, attempt }) => {
            const slot = scheduledAt.getTime()
            // The benchmark ignores second attempts, because another benchmark measures takeovers.
            if (attempt === 1) say({ job: name, slot, node: nodeId, lateness: Date.now() - slot })
          },
        },
      ],
    }),
  ),
})
await scheduler.start()
process.send?.('ready')
