import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScheduler, defineJob, type Job, type Logger, type Schedule } from '@jobistemer/core'
import { registerScheduleType, type ScheduleType, WindowedSchedule } from '@jobistemer/core/schedule'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import { once } from '@jobistemer/ticker-once'
import { expect, it, onTestFinished } from 'vitest'
import { Child } from '../support/child-process.ts'
import { everySeconds, everyType } from '../support/every.ts'
import { createWorld, fates } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const start = '2026-01-01T00:00:00Z'

/** Defines a job that is data: its task names a handler and contains no function. */
function dataJob(name: string, schedule: Schedule): Job {
  return defineJob({ name, schedule, tasks: [{ name: 'note', handler: 'note' }] })
}

/** Makes a logger that keeps the errors about unknown schedule types. */
function errorsOf(): { readonly logger: Logger; readonly errors: { job: unknown; types: unknown; error: unknown }[] } {
  const errors: { job: unknown; types: unknown; error: unknown }[] = []
  const quiet = () => undefined
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error(fields) {
      const { job, scheduleTypes, err } = fields as { job?: unknown; scheduleTypes?: unknown; err?: Error }
      if (scheduleTypes !== undefined) errors.push({ job, types: scheduleTypes, error: err?.message })
    },
  }
  return { logger, errors }
}

it('a process that imports no ticker package loads the stored schedules of all ticker packages', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stored-schedules-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'jobs.db')
  const storage = sqliteStorage({ file })
  const api = createScheduler({ storage, clock: virtualClock(start) })
  await api.start()
  await api.add(dataJob('by cron', cron('30 * * * *')))
  await api.add(dataJob('by interval', iso8601('R/2026-01-01T00:20:00Z/PT1H')))
  await api.add(dataJob('once', once('2026-01-01T01:10:00Z')))
  await api.shutdown()
  await storage.close()
  const worker = new Child(new URL('../fixtures/worker-of-data.mjs', import.meta.url), { file, start, hours: 2 })
  expect(await worker.next()).toEqual({
    ran: [
      'by interval 2026-01-01T00:20:00.000Z',
      'by cron 2026-01-01T00:30:00.000Z',
      'once 2026-01-01T01:10:00.000Z',
      'by interval 2026-01-01T01:20:00.000Z',
      'by cron 2026-01-01T01:30:00.000Z',
    ],
    logged: [],
  })
})

it("a node logs a job's unknown schedule type once, and runs this job's triggers and all other jobs", async () => {
  const world = createWorld()
  const author = await world.start({ nodeId: 'author' })
  await author.add(dataJob('odd', everySeconds(60)))
  await author.add(dataJob('plain', cron('* * * * *')))
  await world.shutdown(author)
  const ran: string[] = []
  const { logger, errors } = errorsOf()
  const worker = await world.start({ logger, handlers: { note: ({ job }) => void ran.push(job.name) } })
  await world.clock.advance({ minutes: 2 })
  expect(ran).toEqual(['plain', 'plain'])
  expect(errors).toEqual([
    {
      job: 'odd',
      types: ['every'],
      error:
        'A stored schedule of job "odd" is of a type that this node does not know: "every". ' +
        'Pass its type to createScheduler({ scheduleTypes: [...] }).',
    },
  ])
  await expect(worker.nextRuns('odd')).rejects.toThrow('scheduleTypes')
  await worker.trigger('odd')
  await world.clock.settle()
  expect(ran).toEqual(['plain', 'plain', 'odd'])
})

it('a node that cannot load the schedule type of a job runs slots that another node has created', async () => {
  const world = createWorld()
  const ran: string[] = []
  const handlersOf = (node: string) => ({ note: () => void ran.push(node) })
  const knowing = { nodeId: 'knowing', scheduleTypes: [everyType], maxConcurrentJobs: 1, prefetch: 0 }
  const busy = defineJob({
    name: 'busy',
    schedule: once('2026-01-01T00:00:01Z'),
    tasks: [{ name: 'wait', run: ({ signal }) => world.clock.sleep({ minutes: 3 }, signal) }],
  })
  const first = await world.start({ ...knowing, jobs: [busy], handlers: handlersOf('knowing') })
  await first.add(dataJob('odd', everySeconds(60, Date.parse('2026-01-01T00:01:00Z'))))
  await world.start({ nodeId: 'ignorant', handlers: handlersOf('ignorant') })
  await world.clock.advance({ minutes: 2 })
  expect(ran).toEqual(['ignorant'])
})

it("a node schedules a job as soon as the job's schedule type is registered in its process", async () => {
  const world = createWorld()
  const late: ScheduleType = { name: 'late', revive: () => new Late() }
  class Late extends WindowedSchedule {
    get type() {
      return late
    }
    protected nextAfter(afterMs: number) {
      return (Math.floor(afterMs / 60_000) + 1) * 60_000
    }
    protected previousBefore(beforeMs: number) {
      return (Math.ceil(beforeMs / 60_000) - 1) * 60_000
    }
    describe() {
      return 'each minute'
    }
    toJSON() {
      return { type: 'late' }
    }
  }
  const author = await world.start()
  await author.add(dataJob('job', new Late()))
  await world.shutdown(author)
  const { logger, errors } = errorsOf()
  const settings = { logger, ...tuned({ definitionInterval: { seconds: 1 } }) }
  const worker = await world.start({ ...settings, handlers: { note: () => undefined } })
  await world.clock.advance({ seconds: 70 })
  expect(await fates(worker, 'job')).toEqual([])
  registerScheduleType(late)
  await world.clock.advance({ seconds: 60 })
  expect(await fates(worker, 'job')).toEqual(['60 completed', '120 completed'])
  expect(errors.map(({ job }) => job)).toEqual(['job'])
})

it('an update to an unknown schedule type stops only the updated job, on running and on restarting nodes', async () => {
  const world = createWorld()
  const ran: string[] = []
  const jobsOf = (schedule: Schedule) => [
    defineJob({ name: 'changed', schedule, tasks: [{ name: 'note', run: () => void ran.push('changed') }] }),
    defineJob({
      name: 'other',
      schedule: cron('* * * * *'),
      tasks: [{ name: 'note', run: () => void ran.push('other') }],
    }),
  ]
  const { logger, errors } = errorsOf()
  const old = { jobs: jobsOf(cron('*/5 * * * *')), logger, ...tuned({ definitionInterval: { seconds: 1 } }) }
  const before = await world.start(old)
  const newer = await world.start({ jobs: jobsOf(everySeconds(7200)), scheduleTypes: [everyType] })
  await world.clock.advance({ seconds: 5 })
  await world.shutdown(newer)
  const after = await world.start(old)
  expect(errors.map(({ job, types }) => [job, types])).toEqual([
    ['changed', ['every']],
    ['changed', ['every']],
  ])
  await world.clock.advance({ minutes: 6 })
  expect(new Set(ran)).toEqual(new Set(['other']))
  await expect(before.nextRuns('changed')).rejects.toThrow('scheduleTypes')
  await expect(after.nextRuns('changed')).rejects.toThrow('scheduleTypes')
})

it('a plan lists the stored next slot of a job whose schedule type is unknown', async () => {
  const world = createWorld()
  const author = await world.start()
  const odd = everySeconds(60)
  await author.add({ ...dataJob('odd', odd), owner: 'team' })
  await world.shutdown(author)
  const planner = await world.start()
  const plan = await planner.plan([], { owner: 'team' })
  expect(plan.removed).toEqual([
    { name: 'odd', version: 1, before: [new Date('2026-01-01T00:01:00Z')], after: [], changes: [] },
  ])
})
