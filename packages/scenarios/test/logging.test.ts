import { createScheduler, defineJob, type Logger, type TaskContext } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { everySeconds } from './support/every.ts'
import { at } from './support/world.ts'

interface Line {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

function collectingLogger(): { readonly lines: Line[]; readonly logger: Logger } {
  const lines: Line[] = []
  const log = (level: string) => (fields: object, message: string) => {
    lines.push({ ...fields, level, message })
  }
  return { lines, logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') } }
}

function failing(maxRetries: number) {
  const run = (): never => {
    throw new Error('disk full', { cause: new Error('no space left') })
  }
  const retryPolicy = { maxRetries, retryInterval: { seconds: 1 }, backoffFactor: 1 }
  return defineJob({
    name: 'report',
    schedule: everySeconds(10, +at(10)),
    tasks: [{ name: 'write', run, retryPolicy }],
  })
}

async function runFor(seconds: number, options: Omit<Parameters<typeof createScheduler>[0], 'storage' | 'clock'>) {
  const clock = virtualClock(at(0))
  const scheduler = createScheduler({ ...options, storage: memoryStorage(), clock })
  await scheduler.start()
  await clock.advance({ seconds })
  await scheduler.shutdown()
}

describe('the log', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('has a warning for each attempt that is tried again, and an error for the last', async () => {
    const { lines, logger } = collectingLogger()
    await runFor(20, { jobs: [failing(1)], logger })
    const failures = lines.filter(({ level }) => level === 'warn' || level === 'error')
    expect(failures).toMatchObject([
      {
        level: 'warn',
        message: 'attempt failed',
        job: 'report',
        task: 'write',
        attempt: 1,
        err: { message: 'disk full' },
      },
      {
        level: 'error',
        message: 'task failed',
        job: 'report',
        task: 'write',
        attempt: 2,
        err: { message: 'disk full' },
      },
    ])
  })

  it('goes to stderr by default, with the stack and its cause, and nothing of what is well', async () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await runFor(20, { jobs: [failing(0)] })
    const text = written.mock.calls.map(([line]) => String(line)).join('')
    expect(text).toMatch(/^\S+Z error jobistemer: task failed job=report task=write attempt=1 occurrenceId=occ_\S+ /)
    expect(text).toMatch(/Error: disk full\n {4}at .*logging\.test/)
    // How the handler came to be called is of no use.
    expect(text).not.toMatch(/core\/(?:dist|src)\/engine/)
    expect(text).toContain('caused by Error: no space left')
    expect(written).toHaveBeenCalledTimes(1)
  })

  it('of a task says which job, occurrence, task and attempt it is of', async () => {
    const { lines, logger } = collectingLogger()
    const run = (context: TaskContext) => context.logger.info({ rows: 7 }, 'written')
    const job = defineJob({ name: 'report', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'write', run }] })
    await runFor(20, { jobs: [job], logger })
    const [line] = lines.filter(({ message }) => message === 'written')
    const occurrenceId = expect.stringMatching(/^occ_/)
    expect(line).toEqual({
      level: 'info',
      message: 'written',
      job: 'report',
      occurrenceId,
      task: 'write',
      attempt: 1,
      rows: 7,
    })
  })

  it('may throw, and reaches neither the engine nor the process', async () => {
    const throws = (): never => {
      throw new Error('the log is full')
    }
    const logger = { debug: throws, info: throws, warn: throws, error: throws }
    let runs = 0
    const run = () => {
      runs++
    }
    const well = defineJob({ name: 'well', schedule: everySeconds(10), tasks: [{ name: 'count', run }] })
    await runFor(60, { jobs: [failing(3), well], logger })
    expect(runs).toBe(6)
  })
})
