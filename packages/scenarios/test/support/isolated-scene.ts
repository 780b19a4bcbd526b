import {
  createScheduler,
  defineJob,
  type Isolation,
  type JobOptions,
  type Occurrence,
  type Scheduler,
  type SchedulerOptions,
} from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { onTestFinished } from 'vitest'
import { collectingLogger } from './collecting-logger.ts'

export const isolations: readonly Isolation[] = ['thread', 'process']

export const behaves: URL = new URL('../fixtures/isolated/behaves.mjs', import.meta.url)

/** The module of a fixture. */
export function fixture(name: string): URL {
  return new URL(`../fixtures/isolated/${name}`, import.meta.url)
}

/** A scheduler on the real clock, which is shut down when the test has ended. */
export async function isolatedScene(
  tasks: Readonly<Record<string, JobOptions['tasks'][number] | JobOptions['tasks']>>,
  options: Partial<SchedulerOptions> = {},
  settings: Partial<JobOptions> = {},
) {
  const { logger, lines } = collectingLogger()
  const jobs = Object.entries(tasks).map(([name, given]) =>
    defineJob({ name, ...settings, tasks: (Array.isArray(given) ? given : [given]) as never }),
  )
  const scheduler = createScheduler({ storage: memoryStorage(), logger, jobs, ...options })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
  await scheduler.start()
  return {
    scheduler,
    lines,
    /** Runs a job to its end. */
    async run(name: string, data?: unknown): Promise<Occurrence> {
      const { id } = await scheduler.trigger(name, data === undefined ? {} : { data })
      return scheduler.waitFor(id, { timeout: { minutes: 1 } })
    },
    /** Starts a job, and resolves when its handler has said how far it is. */
    async begin(name: string): Promise<{ readonly id: Occurrence['id']; readonly said: string | null }> {
      const { id } = await scheduler.trigger(name)
      return { id, said: await saidBy(scheduler, id) }
    },
  }
}

function saidBy(scheduler: Scheduler, id: Occurrence['id']): Promise<string | null> {
  return new Promise((resolve) => {
    const stop = scheduler.on('attempt.progressed', ({ occurrenceId, message }) => {
      if (occurrenceId !== id) return
      stop()
      resolve(message)
    })
  })
}

/** The last attempt of the only task. */
export function lastAttempt({ tasks }: Occurrence) {
  return tasks.at(-1)?.attempts.at(-1)
}

export function resultOf({ tasks }: Occurrence): unknown {
  return tasks.at(-1)?.result
}
