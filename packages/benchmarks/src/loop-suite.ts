import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import type { Suite } from './suite.ts'

/** Work that a scheduler does while the benchmark measures the gaps of its event loop. */
interface Load {
  readonly name: string
  readonly count: number
  run(scheduler: Scheduler, count: number): Promise<void>
}

const never = cron('0 0 1 1 *')
const nothing = { name: 'work', run: () => 1 }

/** Triggers the job, and waits until its run has ended. */
async function runOnce(scheduler: Scheduler, job: ReturnType<typeof defineJob>): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    scheduler.on('occurrence.finished', ({ jobName }) => {
      if (jobName === job.name) resolve()
    })
  })
  await scheduler.add(job)
  await scheduler.trigger(job.name)
  await ended
}

const loads: readonly Load[] = [
  {
    name: 'triggers, one after the other',
    count: 10_000,
    async run(scheduler, count) {
      await scheduler.add(defineJob({ name: 'asked', schedule: never, overlapPolicy: 'allow', tasks: [nothing] }))
      for (let call = 0; call < count; call++) await scheduler.trigger('asked')
    },
  },
  {
    name: 'triggers, all at once',
    count: 10_000,
    async run(scheduler, count) {
      await scheduler.add(defineJob({ name: 'asked', schedule: never, overlapPolicy: 'allow', tasks: [nothing] }))
      await Promise.all(Array.from({ length: count }, () => scheduler.trigger('asked', { timeout: { minutes: 5 } })))
    },
  },
  {
    name: 'sequential tasks',
    count: 3000,
    async run(scheduler, count) {
      const tasks = Array.from({ length: count }, (_, index) => ({ ...nothing, name: `task-${index}` }))
      await runOnce(scheduler, defineJob({ name: 'chain', schedule: never, tasks }))
    },
  },
  {
    name: 'retries without an interval',
    count: 1000,
    async run(scheduler, count) {
      const retryPolicy = { maxRetries: count, retryInterval: 0 }
      const run = ({ attempt }: { readonly attempt: number }) => {
        if (attempt <= count) throw new Error('no')
      }
      await runOnce(
        scheduler,
        defineJob({ name: 'flaky', schedule: never, retryPolicy, tasks: [{ name: 'work', run }] }),
      )
    },
  },
]

/** Measures how long the engine blocks timers, signals and sockets on the event loop. */
export const loopSuite: Suite = {
  name: 'loop',
  title: 'Milliseconds between turns of the event loop, on SQLite',
  async run({ smoke }) {
    const rows: string[][] = []
    for (const { name, count, run } of loads) {
      const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
      const storage = sqliteStorage({ file: join(folder, 'jobs.db') })
      const scheduler = createScheduler({ storage, logger: silentLogger })
      try {
        await scheduler.start()
        const calls = smoke ? 10 : count
        const delay = monitorEventLoopDelay({ resolution: 1 })
        await sleep(50)
        delay.enable()
        const beganAt = performance.now()
        await run(scheduler, calls)
        const seconds = (performance.now() - beganAt) / 1000
        // The monitor records a gap only when a timer fires after the gap. This call sets a timer, so that the last gap
        // is recorded.
        await sleep(5)
        delay.disable()
        const milliseconds = (nanoseconds: number) => (nanoseconds / 1e6).toFixed(1)
        const gaps = [delay.percentile(50), delay.percentile(99), delay.max].map(milliseconds)
        rows.push([`${calls.toLocaleString('en-US')} ${name}`, ...gaps, seconds.toFixed(2)])
      } finally {
        await scheduler.shutdown({ gracePeriod: 0 })
        await storage.close()
        await rm(folder, { recursive: true, force: true })
      }
    }
    return {
      columns: ['', 'median gap', 'p99', 'largest gap', 'seconds in all'],
      rows,
      notes: ['Gaps of a timer of 1 ms, measured by monitorEventLoopDelay of node:perf_hooks.'],
    }
  },
}
