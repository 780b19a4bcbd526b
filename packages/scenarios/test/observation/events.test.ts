import { defineJob, occurrenceId, type TaskContext } from '@jobistemer/core'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf } from '../support/world.ts'

describe.each(everywhere)('on the storage $name', (place) => {
  it('events report the steps of an occurrence from its creation to its end', async () => {
    const { clock, start } = createWorld(place)
    const run = async ({ attempt }: TaskContext) => {
      await clock.sleep({ seconds: 2 })
      if (attempt === 1) throw new TypeError('no')
      return 7
    }
    const retryPolicy = { maxRetries: 1, retryInterval: { seconds: 3 } }
    const job = defineJob({ name: 'told', schedule: once(at(10)), retryPolicy, tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job] })
    const heard = listen(
      scheduler,
      'occurrence.created',
      'occurrence.started',
      'attempt.started',
      'attempt.ended',
      'occurrence.finished',
    )
    await clock.advance({ minutes: 1 })
    const id = occurrenceId(job.id, at(10))
    const names = { jobId: job.id, jobName: 'told', occurrenceId: id, scheduledAt: at(10) }
    expect(heard).toEqual([
      { name: 'occurrence.created', event: { ...names, kind: 'slot', state: 'running', reason: null } },
      {
        name: 'occurrence.started',
        event: { ...names, kind: 'slot', fencingToken: 1, latenessMs: 0, waitedMs: 0, recovered: false },
      },
      { name: 'attempt.started', event: { ...names, task: 'work', attempt: 1 } },
      {
        name: 'attempt.ended',
        event: {
          ...names,
          task: 'work',
          attempt: 1,
          state: 'failed',
          durationMs: 2000,
          error: expect.objectContaining({ message: 'no' }),
          retryInMs: 3000,
        },
      },
      { name: 'attempt.started', event: { ...names, task: 'work', attempt: 2 } },
      {
        name: 'attempt.ended',
        event: {
          ...names,
          task: 'work',
          attempt: 2,
          state: 'succeeded',
          durationMs: 2000,
          error: undefined,
          retryInMs: null,
        },
      },
      {
        name: 'occurrence.finished',
        event: { ...names, report: expect.objectContaining({ outcome: 'completed', durationMs: 7000 }) },
      },
    ])
  })

  it('`occurrence.started` contains the time for which the run waited', async () => {
    const { clock, start } = createWorld(place)
    const jobs = ['a', 'b'].map((name) =>
      defineJob({ name, schedule: once(at(10)), tasks: [{ name: 'work', run: () => clock.sleep({ seconds: 4 }) }] }),
    )
    const scheduler = await start({ jobs, maxConcurrentJobs: 1 })
    const heard = listen(scheduler, 'occurrence.created', 'occurrence.started')
    await clock.advance({ minutes: 1 })
    expect(
      heard.map(({ name, event }) =>
        'waitedMs' in event ? [name, event.waitedMs, event.latenessMs] : [name, event.state],
      ),
    ).toEqual([
      ['occurrence.created', 'running'],
      ['occurrence.started', 0, 0],
      ['occurrence.created', 'pending'],
      ['occurrence.started', 4000, 4000],
    ])
  })

  it('`occurrence.created` contains the reason why a slot was skipped', async () => {
    const { clock, start } = createWorld(place)
    const tasks = [{ name: 'work', run: () => clock.sleep({ seconds: 15 }) }]
    const scheduler = await start({ jobs: [defineJob({ name: 'slow', schedule: everySeconds(10, +at(20)), tasks })] })
    const heard = listen(scheduler, 'occurrence.created')
    await clock.advance({ minutes: 1 })
    expect(heard.map(({ event }) => [secondsOf(event.scheduledAt), event.state, event.reason])).toEqual([
      [10, 'running', null],
      [20, 'skipped', 'overlap'],
    ])
  })

  it('`occurrence.canceled` is emitted for each occurrence that another occurrence displaces', async () => {
    const { clock, start } = createWorld(place)
    const tasks = [{ name: 'work', run: () => clock.sleep({ seconds: 35 }) }]
    const schedule = everySeconds(10, +at(40))
    const job = defineJob({ name: 'newest', schedule, overlapPolicy: 'queue_one', tasks })
    const scheduler = await start({ jobs: [job] })
    const heard = listen(scheduler, 'occurrence.canceled')
    await clock.advance({ minutes: 2 })
    expect(heard.map(({ event }) => [event.jobName, secondsOf(event.scheduledAt), event.reason])).toEqual([
      ['newest', 20, 'displaced'],
      ['newest', 30, 'displaced'],
    ])
  })

  it('a scheduler emits events at its start and its shutdown', async () => {
    const world = createWorld(place)
    const job = defineJob({ name: 'any', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = world.scheduler({ jobs: [job], nodeId: 'node' })
    const heard = listen(scheduler, 'scheduler.started', 'scheduler.stopped', 'job.registered')
    await scheduler.start()
    await world.shutdown(scheduler)
    expect(heard).toEqual([
      {
        name: 'job.registered',
        event: { jobId: job.id, jobName: 'any', version: 1, change: 'created', nextAt: at(10) },
      },
      { name: 'scheduler.started', event: { node: 'node', jobs: 1 } },
      { name: 'scheduler.stopped', event: { node: 'node', abandoned: 0 } },
    ])
  })
})

it('a listener that throws or rejects does not disturb the run, and causes `hook.failed`', async () => {
  const { clock, start } = createWorld(memory)
  const ran: number[] = []
  const tasks = [{ name: 'work', run: () => ran.push(secondsOf(clock.now())) }]
  const scheduler = await start({ jobs: [defineJob({ name: 'tick', schedule: everySeconds(10, +at(20)), tasks })] })
  const heard = listen(scheduler, 'hook.failed')
  scheduler.on('occurrence.started', () => {
    throw new Error('no')
  })
  scheduler.on('attempt.ended', async () => {
    throw new Error('no')
  })
  await clock.advance({ minutes: 1 })
  expect(ran).toEqual([10, 20])
  expect(heard.map(({ event }) => event.hook)).toEqual([
    'listener of occurrence.started',
    'listener of attempt.ended',
    'listener of occurrence.started',
    'listener of attempt.ended',
  ])
})

it('a job whose schedule threw an error runs again a minute later, and its missed slots are recovered', async () => {
  const { clock, start } = createWorld(memory)
  const ran: string[] = []
  const schedule = everySeconds(10, +at(200))
  const { nextMs } = schedule
  let isBroken = false
  schedule.nextMs = (after) => {
    if (isBroken) throw new Error('out of paper')
    return nextMs.call(schedule, after)
  }
  const run = ({ scheduledAt }: { scheduledAt: Date }) =>
    void ran.push(`${secondsOf(scheduledAt)} at ${secondsOf(clock.now())}`)
  const scheduler = await start({ jobs: [defineJob({ name: 'odd', schedule, tasks: [{ name: 'work', run }] })] })
  await clock.advanceTo(at(25))
  isBroken = true
  await clock.advanceTo(at(45))
  isBroken = false
  await clock.advanceTo(at(205))
  // At 30 s the schedule throws, so the node cannot compute the next slot. The node calls the schedule again one minute
  // later.
  expect(ran.slice(0, 2)).toEqual(['10 at 10', '20 at 20'])
  expect(ran.slice(-11)).toEqual(Array.from({ length: 11 }, (_, index) => `${100 + 10 * index} at ${100 + 10 * index}`))
  const missed = (await fates(scheduler, 'odd')).filter((fate) => !fate.endsWith('completed'))
  expect(missed).toEqual([])
})

it('a schedule that throws an error stops only its own job', async () => {
  const { clock, start } = createWorld(memory)
  const ran: string[] = []
  const define = (name: string, schedule: ReturnType<typeof everySeconds>) =>
    defineJob({ name, schedule, tasks: [{ name: 'work', run: () => ran.push(`${secondsOf(clock.now())} ${name}`) }] })
  const broken = everySeconds(10)
  const { nextMs } = broken
  broken.nextMs = (after) => {
    if (after >= Number(at(20))) throw new Error('out of paper')
    return nextMs.call(broken, after)
  }
  const scheduler = await start({ jobs: [define('broken', broken), define('sound', everySeconds(10, +at(40)))] })
  const heard = listen(scheduler, 'engine.failed')
  await clock.advance({ minutes: 1 })
  expect(ran.filter((entry) => entry.endsWith('sound'))).toEqual(['10 sound', '20 sound', '30 sound', '40 sound'])
  expect(ran.filter((entry) => entry.endsWith('broken'))).toEqual(['10 broken'])
  expect(heard.map(({ event }) => event)).toMatchObject([
    { where: 'schedule of job broken', error: { code: 'INVALID_SCHEDULE', cause: { message: 'out of paper' } } },
  ])
})
