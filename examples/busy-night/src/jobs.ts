import { defineJob, type Job, type TaskContext } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

const timezone = 'Europe/Berlin'

class DiskError extends Error {
  readonly code = 'ENOSPC'
}

/** Returns the duration of the work for a slot, in ms. All attempts for a slot take equally long. */
function lengthOf({ scheduledAt }: TaskContext, mostMs: number): number {
  const minute = Math.floor(scheduledAt.getTime() / 60_000)
  return ((minute * 7919) % 1000) * (mostMs / 1000)
}

/**
 * Simulates the work of a slot. Sleeps for the duration of this work in `steps` equal parts, and reports the progress after
 * each part.
 */
async function work(context: TaskContext, mostMs: number, steps = 10): Promise<void> {
  const length = lengthOf(context, mostMs)
  for (let step = 1; step <= steps; step++) {
    await context.sleep(length / steps)
    context.progress(step / steps, `part ${step} of ${steps}`)
    context.logger.info({ part: step }, 'the task finished one part of its simulated work')
  }
}

/** Returns the demo's jobs: quick and slow, reliable and failing, frequent and rare. */
export function jobs(): readonly Job[] {
  return [
    defineJob({
      name: 'nightly-report',
      description: 'Exports what was sold, and sends it to everybody who wants to know.',
      owner: 'reports',
      tags: ['eu', 'money'],
      schedule: cron('*/10 * * * *', { timezone }),
      keepLogs: true,
      tasks: [
        { name: 'export', run: (context) => work(context, 2500) },
        {
          name: 'upload',
          retryPolicy: { maxRetries: 2, retryInterval: { seconds: 2 }, backoffFactor: 2 },
          run: async (context) => {
            const { attempt, scheduledAt, logger } = context
            await work(context, 1500, 4)
            const tens = Math.floor(scheduledAt.getTime() / 600_000) % 5
            logger.warn({ freeBytes: 1024 * tens }, 'the disk is nearly full')
            // For one slot in five, every attempt fails. For another slot in five, only the first attempt fails.
            if (tens === 0 || (tens === 2 && attempt === 1)) {
              throw new DiskError('the disk is full', { cause: new Error('write failed: no space left on device') })
            }
            return { bytes: 48_000 + tens * 1000, parts: 4 }
          },
        },
        { name: 'mail', run: async () => 'sent to 12 people' },
      ],
    }),
    defineJob({
      name: 'exchange-rates',
      owner: 'money',
      tags: ['money'],
      schedule: cron('* * * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'fetch', run: async (context) => work(context, 400, 2) }],
    }),
    defineJob({
      name: 'import-orders',
      description: 'Takes orders over from the shops. An import waits for the one before it.',
      owner: 'imports',
      tags: ['eu', 'us'],
      schedule: cron('*/2 * * * *', { timezone }),
      overlapPolicy: 'queue',
      tasks: [
        { name: 'download', run: (context) => work(context, 4000) },
        { name: 'parse', run: async () => ({ rows: 1204, refused: 3 }) },
        { name: 'store', run: (context) => work(context, 9000) },
      ],
    }),
    defineJob({
      name: 'thumbnails',
      owner: 'shop',
      schedule: cron('*/5 * * * *', { timezone }),
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
      tasks: ['small', 'medium', 'large', 'print'].map((name, index) => ({
        name,
        run: async (context: TaskContext) => {
          await work(context, 2000 + 900 * index, 5)
          if (name === 'print' && context.scheduledAt.getUTCMinutes() % 15 === 0)
            throw new RangeError('the picture has no width')
        },
      })),
    }),
    defineJob({
      name: 'search-index',
      owner: 'shop',
      tags: ['us'],
      schedule: cron('*/15 * * * *', { timezone: 'America/New_York' }),
      recoveryStrategy: 'execute_all',
      tasks: [{ name: 'rebuild', run: (context) => work(context, 20_000, 20) }],
    }),
    defineJob({
      name: 'old-invoices',
      description: 'Its node has left, and no other node has its code: it is late.',
      owner: 'money',
      schedule: cron('*/3 * * * *', { timezone }),
      tasks: [{ name: 'archive', handler: 'archive-invoices' }],
    }),
    defineJob({
      name: 'newsletter',
      owner: 'reports',
      tags: ['eu'],
      schedule: cron('0 6 * * 1-5', { timezone }),
      tasks: [{ name: 'send', run: async () => 'sent' }],
    }),
    defineJob({
      name: 'recount-stock',
      owner: 'shop',
      description: 'On request alone.',
      tasks: [{ name: 'count', run: (context) => work(context, 30_000, 30) }],
    }),
  ]
}
