import { defineJob, type Job, type TaskContext } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

class DiskError extends Error {
  readonly code = 'ENOSPC'
}

/** Returns an error whose stack is the same on every machine. */
function diskIsFull(): Error {
  const cause = new Error('write failed: no space left on device')
  cause.stack = 'Error: write failed: no space left on device\n    at write (app/disk.ts:41:11)'
  const error = new DiskError('the disk is full', { cause })
  error.stack = `Error: the disk is full\n${['upload', 'send', 'retry', 'runTask', 'runJob'].map((name, line) => `    at ${name} (app/${name}.ts:${line * 7 + 3}:5)`).join('\n')}`
  return error
}

/**
 * Returns the number of a run, computed from its scheduled instant. Handlers vary their duration and outcome by this
 * number.
 */
function numberOf({ scheduledAt }: TaskContext): number {
  return Math.floor(scheduledAt.getTime() / 300_000)
}

async function work(context: TaskContext, seconds: number, steps = 4): Promise<void> {
  const length = seconds * (0.6 + ((numberOf(context) * 7919) % 10) / 12)
  for (let step = 1; step <= steps; step++) {
    await context.sleep({ seconds: length / steps })
    context.progress(step / steps, `part ${step} of ${steps}`)
    context.logger.info({ part: step }, 'done with a part')
  }
}

/** Returns jobs that fill each view of the dashboard. */
export function stillJobs(): readonly Job[] {
  return [
    defineJob({
      name: 'nightly-report',
      description: 'Exports what was sold, and sends it to everybody who wants to know.',
      owner: 'reports',
      tags: ['eu', 'money'],
      schedule: cron('*/15 * * * *', { timezone: 'Europe/Berlin' }),
      keepLogs: true,
      tasks: [
        { name: 'export', run: (context) => work(context, 40) },
        {
          name: 'upload',
          retryPolicy: { maxRetries: 2, retryInterval: { seconds: 20 } },
          run: async (context) => {
            await work(context, 20)
            context.logger.warn({ freeBytes: 2048 }, 'the disk is nearly full')
            const number = numberOf(context) % 5
            if (number === 0 || (number === 2 && context.attempt === 1)) throw diskIsFull()
            return { bytes: 51_000, parts: 4 }
          },
        },
        { name: 'mail', run: async () => 'sent to 12 people' },
      ],
    }),
    defineJob({
      name: 'exchange-rates',
      owner: 'money',
      tags: ['money'],
      schedule: cron('*/10 * * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'fetch', run: (context) => work(context, 3, 1) }],
    }),
    defineJob({
      name: 'thumbnails',
      owner: 'shop',
      schedule: cron('5,35 * * * *', { timezone: 'UTC' }),
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
      tasks: ['small', 'medium', 'large', 'print'].map((name, index) => ({
        name,
        run: async (context: TaskContext) => {
          await work(context, 10 + 5 * index)
          if (name !== 'print' || numberOf(context) % 4 !== 0) return
          const error = new RangeError('the picture has no width')
          error.stack = 'RangeError: the picture has no width\n    at print (app/print.ts:9:3)'
          throw error
        },
      })),
    }),
    defineJob({
      name: 'import-orders',
      taskTimeout: { hours: 8 },
      executionTimeout: { hours: 9 },
      description: 'Takes orders over from the shops. An import waits for the one before it.',
      owner: 'imports',
      tags: ['eu', 'us'],
      overlapPolicy: 'queue',
      tasks: [
        { name: 'download', run: (context) => work(context, 20) },
        {
          name: 'store',
          run: async (context) => {
            context.progress(0.4, 'copying')
            await context.sleep({ hours: 5 })
          },
        },
      ],
    }),
    defineJob({
      name: 'old-invoices',
      description: 'No node has its code: it is late.',
      owner: 'money',
      schedule: cron('10 9 * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'archive', handler: 'archive-invoices' }],
    }),
    defineJob({
      name: 'newsletter',
      owner: 'reports',
      tags: ['eu'],
      schedule: cron('0 6 * * 1-5', { timezone: 'Europe/Berlin' }),
      tasks: [{ name: 'send', run: async () => 'sent' }],
    }),
    defineJob({
      name: 'rebuild-index',
      taskTimeout: { hours: 8 },
      executionTimeout: { hours: 9 },
      owner: 'shop',
      schedule: cron('0 3 * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'rebuild', run: (context) => context.sleep({ minutes: 25 }) }],
    }),
    defineJob({ name: 'never-run', description: 'On request alone.', tasks: [{ name: 'count', handler: 'count' }] }),
  ]
}
