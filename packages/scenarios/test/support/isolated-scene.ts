import { EventEmitter, once } from 'node:events'
import {
  createScheduler,
  defineJob,
  type Isolation,
  type JobOptions,
  type Logger,
  type Occurrence,
  type SchedulerOptions,
} from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { it, onTestFinished } from 'vitest'
import { isThorough } from '../../../workspace/test-effort.ts'
import { collectingLogger } from './collecting-logger.ts'

export const isolations: readonly Isolation[] = ['thread', 'process']

/**
 * Returns `it` for cases that test code which threads and processes share. By default, these cases run only in threads, which
 * start faster. So without `npm run test:extra`, this function returns `undefined` for processes.
 */
export function sharedCase(isolation: Isolation): typeof it | undefined {
  return isThorough || isolation === 'thread' ? it : undefined
}

export const behaves: URL = new URL('../fixtures/isolated/behaves.mjs', import.meta.url)

/** Modules with an unusual format or behavior, for isolated tasks. */
export const modules = {
  'common.cjs': new URL('../fixtures/isolated/common.cjs', import.meta.url),
  'fails-once.mjs': new URL('../fixtures/isolated/fails-once.mjs', import.meta.url),
  'loops-when-imported.mjs': new URL('../fixtures/isolated/loops-when-imported.mjs', import.meta.url),
  'no-function.mjs': new URL('../fixtures/isolated/no-function.mjs', import.meta.url),
  'typed.ts': new URL('../fixtures/isolated/typed.ts', import.meta.url),
} as const

/**
 * Starts a scheduler with one job for each entry of `tasks`, on the real clock. The scheduler shuts down when the test has
 * ended.
 */
export async function isolatedScene(
  tasks: Readonly<Record<string, JobOptions['tasks'][number] | JobOptions['tasks']>>,
  options: Partial<SchedulerOptions> = {},
  settings: Partial<JobOptions> = {},
) {
  const { logger: collecting, lines } = collectingLogger()
  const said = new EventEmitter()
  const logger: Logger = {
    ...collecting,
    info(fields, message) {
      collecting.info(fields, message)
      if ('task' in fields) said.emit('line', { ...fields, message })
    },
  }
  const jobs = Object.entries(tasks).map(([name, given]) =>
    defineJob({ name, ...settings, tasks: (Array.isArray(given) ? given : [given]) as never }),
  )
  const scheduler = createScheduler({ storage: memoryStorage(), logger, jobs, ...options })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
  await scheduler.start()
  return {
    scheduler,
    lines,
    /** Triggers a job, and returns its occurrence when it has ended. */
    async run(name: string, data?: unknown): Promise<Occurrence> {
      const { id } = await scheduler.trigger(name, data === undefined ? {} : { data })
      return scheduler.waitFor(id, { timeout: { minutes: 1 } })
    },
    /** Triggers a job, and returns the message of the first line that its handler logs. */
    async begin(name: string): Promise<{ readonly id: Occurrence['id']; readonly said: string }> {
      const line = once(said, 'line')
      const { id } = await scheduler.trigger(name)
      const [{ message }] = await line
      return { id, said: message }
    },
    said,
  }
}

/** Returns the last attempt of the last task of an occurrence. */
export function lastAttempt({ tasks }: Occurrence) {
  return tasks.at(-1)?.attempts.at(-1)
}

export function resultOf({ tasks }: Occurrence): unknown {
  return tasks.at(-1)?.result
}
