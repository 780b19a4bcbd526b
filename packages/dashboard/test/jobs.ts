import { defineJob, type Job } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

/** A gate that blocks handlers until a test opens the gate. */
export class Gate {
  #open: () => void = () => undefined
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve
  })

  open(): void {
    this.#open()
  }

  /**
   * Waits until the gate is open.
   * @throws the reason of the signal if the signal aborts before the gate opens
   */
  async pass(signal: AbortSignal): Promise<void> {
    await Promise.race([
      this.#opened,
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    ])
  }
}

class DiskError extends Error {
  readonly code = 'ENOSPC'
}

/** Job names that the page must show unchanged. */
export const oddNames = {
  markup: '<img src=x onerror=alert(1)><b>bold</b> & "quoted"',
  rightToLeft: 'تقرير يومي',
  emoji: '🚚 shipments 👩‍👩‍👧',
  path: '../..//x?y=1&z=%2F#h',
  long: 'long-'.repeat(51),
} as const

export const largeResult = 'x'.repeat(131_000)

export function jobsOf(gate: Gate): readonly Job[] {
  return [
    defineJob({
      name: 'nightly-report',
      description: 'Exports what was sold, and uploads it.',
      schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
      owner: 'reports',
      tags: ['eu', 'nightly'],
      keepLogs: true,
      tasks: [
        {
          name: 'export',
          run: async (context) => {
            context.logger.info({ rows: 7 }, 'exported')
            return { rows: 7 }
          },
        },
        {
          name: 'upload',
          retryPolicy: { maxRetries: 1, retryInterval: 1 },
          run: async (context) => {
            const input = context.input as { readonly fail?: boolean } | undefined
            context.logger.warn({}, 'the disk is nearly full')
            if (input?.fail === true) throw new DiskError('the disk is full', { cause: new Error('write failed') })
            return '7 rows'
          },
        },
      ],
    }),
    defineJob({
      name: 'blocked',
      owner: 'imports',
      overlapPolicy: 'queue',
      tasks: [
        {
          name: 'wait',
          run: async (context) => {
            context.progress(0.4, 'copying')
            await gate.pass(context.signal)
          },
        },
      ],
    }),
    defineJob({ name: 'large', tasks: [{ name: 'only', run: async () => largeResult }] }),
    defineJob({
      name: 'hourly',
      schedule: cron('0 * * * *', { timezone: 'UTC' }),
      tags: ['eu'],
      tasks: [{ name: 'only', run: async () => 'done' }],
    }),
    defineJob({
      name: 'rebuild',
      schedule: cron('30 4 * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'only', run: async (context) => gate.pass(context.signal) }],
    }),
    ...Object.values(oddNames).map((name) =>
      defineJob({
        name,
        tasks: [{ name, run: async () => ({ [name]: name }) }],
        description: name,
        owner: name,
        tags: [name.slice(0, 64)],
      }),
    ),
    defineJob({
      name: 'deep-stack',
      tasks: [
        {
          name: 'fail',
          run: async () => {
            const error = new Error(`<script>alert(1)</script> ${'long message '.repeat(40)}`)
            error.stack = `Error: deep\n${Array.from({ length: 100 }, (_, index) => `    at step${index} (app/step-${index}.ts:${index}:1)`).join('\n')}`
            throw error
          },
        },
      ],
    }),
  ]
}
