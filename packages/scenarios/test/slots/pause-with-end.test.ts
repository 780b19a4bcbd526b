import { createClient, defineJob, type TaskContext } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Makes a handler that records its calls in `began`, with the seconds since the start of the virtual clock. */
function noting(world: World) {
  const began: string[] = []
  const run = ({ job, input }: TaskContext) => {
    began.push(`${input ?? job.name} at ${secondsOf(world.clock.now())}`)
  }
  return { began, run }
}

/**
 * With this interval no node polls near the end of a pause. Only a node that has scheduled the end of the pause starts
 * a run at that end.
 */
const pollInterval = { minutes: 1 }

describe.each(everywhere)('on the storage $name', (place) => {
  it('the slots of a job run again on all nodes from the end of its pause on, without a poll', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const job = defineJob({ name: 'tick', schedule: everySeconds(120), tasks: [{ name: 'work', run }] })
    const node = await world.start({ jobs: [job], pollInterval })
    await world.start({ jobs: [job], pollInterval })
    await world.clock.advance({ seconds: 130 })
    await node.pause('tick', { for: { minutes: 10 } })
    await world.clock.advance({ minutes: 15 })
    expect(began).toEqual(['tick at 120', 'tick at 840', 'tick at 960'])
    expect((await fates(node, 'tick')).filter((line) => line.includes('paused')).length).toBe(5)
  })

  it('the actor and reason of a resumption are kept until the next pause', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const job = defineJob({ name: 'tick', schedule: everySeconds(120), tasks: [{ name: 'work', run }] })
    const node = await world.start({ jobs: [job], pollInterval })
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    await client.pause('tick', { actor: 'anna', reason: 'the disk is full' })
    await world.clock.advance({ seconds: 130 })
    await client.resume('tick', { actor: 'bob', reason: 'there is room' })
    expect(await client.job('tick')).toMatchObject({
      paused: null,
      resumed: { at: at(130), actor: 'bob', reason: 'there is room' },
    })
    // `resume` has no effect on a job that is not paused, so the job keeps the actor of the earlier resume.
    await node.resume('tick', { actor: 'carl' })
    expect((await client.job('tick')).resumed?.actor).toBe('bob')
    await world.clock.advance({ seconds: 240 })
    expect(began).toEqual(['tick at 240', 'tick at 360'])
    await client.pause('tick', { for: { minutes: 1 } })
    expect(await client.job('tick')).toMatchObject({ paused: { actor: null }, resumed: null })
    await client.resume('tick')
    expect(await client.job('tick')).toMatchObject({ paused: null, resumed: null })
    await expect(client.resume('tick', { reason: '' })).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })

  it('a slot at the instant at which a pause ends runs in time', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const job = defineJob({ name: 'tick', schedule: everySeconds(120), tasks: [{ name: 'work', run }] })
    const node = await world.start({ jobs: [job], pollInterval })
    await node.pause('tick', { until: at(600) })
    await world.clock.advance({ seconds: 601 })
    expect(began).toEqual(['tick at 600'])
  })

  it('a trigger of a paused job without a schedule starts within a second of the end of the pause', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const job = defineJob({ name: 'on request', overlapPolicy: 'allow', tasks: [{ name: 'work', run }] })
    const node = await world.start({ jobs: [job], pollInterval })
    const client = createClient({ storage: world.connect(), clock: world.clock })
    await client.pause('on request', { for: { minutes: 10 } })
    await node.trigger('on request', { data: 'first' })
    await world.clock.advance({ minutes: 2 })
    await client.trigger('on request', { data: 'second' })
    await world.clock.advance({ minutes: 9 })
    expect([...began].sort()).toEqual(['first at 600', 'second at 600'])
  })

  it('a job that no node holds in memory resumes at the end of its pause, and its pending run starts', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const options = { ...tuned({ heldJobs: 0 }), handlers: { note: run }, scheduleTypes: [everyType], pollInterval }
    await world.start(options)
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    const tasks = [{ name: 'work', handler: 'note' }]
    await client.add(defineJob({ name: 'data', schedule: everySeconds(420), overlapPolicy: 'allow', tasks }))
    await client.pause('data', { for: { minutes: 10 } })
    await client.trigger('data', { data: 'asked' })
    await world.clock.advance({ minutes: 15 })
    expect(began).toEqual(['asked at 600', 'data at 840'])
  })

  it('if a pause ends while no node lives, a later node starts pending runs, and recovers only slots after the pause', async () => {
    const world = createWorld(place)
    const { began, run } = noting(world)
    const tasks = [{ name: 'work', run }]
    const settings = { recoveryStrategy: 'execute_all', overlapPolicy: 'queue' } as const
    const jobs = [
      defineJob({ name: 'tick', schedule: everySeconds(120, +at(1200)), ...settings, tasks }),
      defineJob({ name: 'on request', tasks }),
    ]
    const first = await world.start({ jobs, pollInterval })
    await first.pause('tick', { for: { minutes: 10 } })
    await first.pause('on request', { for: { minutes: 10 } })
    await first.trigger('on request')
    await world.clock.advance({ seconds: 130 })
    await world.shutdown(first)
    await world.clock.advanceTo(at(1000))
    const second = await world.start({ jobs, pollInterval })
    await world.clock.advance({ seconds: 250 })
    expect([...began].sort()).toEqual([
      'on request at 1000',
      'tick at 1000',
      'tick at 1000',
      'tick at 1000',
      'tick at 1000',
      'tick at 1080',
      'tick at 1200',
    ])
    expect(await fates(second, 'tick')).toEqual([
      '120 skipped paused',
      '240-480 (3) missed paused',
      '600 completed',
      '720 completed',
      '840 completed',
      '960 completed',
      '1080 completed',
      '1200 completed',
    ])
  })

  it('lists and metrics show a pause until it ends, and its end emits no event', async () => {
    const world = createWorld(place)
    const { run } = noting(world)
    const metrics = metricsCollector()
    const job = defineJob({ name: 'tick', schedule: everySeconds(3600), tasks: [{ name: 'work', run }] })
    const node = await world.start({ jobs: [job], metrics })
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    const heard = listen(node, 'job.paused', 'job.resumed')
    const seen = async () => {
      const listed = (await client.jobs({ paused: true })).items.length
      return [
        (await client.job('tick')).paused?.until ?? null,
        listed,
        (await metrics.readGauges()).scheduler_jobs_paused,
      ]
    }
    await node.pause('tick', { until: at(600), reason: 'disk', actor: 'kim' })
    expect(heard.map(({ event }) => event)).toEqual([
      { jobId: job.id, jobName: 'tick', reason: 'disk', until: at(600) },
    ])
    const explained = async (second: number) => (await client.explain('tick', at(second))).verdict
    expect(await explained(3600)).toBe('will_run')
    await world.clock.advance({ seconds: 599 })
    expect(await seen()).toEqual([at(600), 1, 1])
    await world.clock.advance({ seconds: 1 })
    expect(await seen()).toEqual([null, 0, 0])
    await node.resume('tick')
    expect(heard.length).toBe(1)
  })

  it('a second pause of a job, or of the jobs with a tag, applies only if it ends later than the first pause', async () => {
    const world = createWorld(place)
    const client = createClient({ storage: world.connect(), clock: world.clock })
    const tasks = [{ name: 'work', handler: 'note' }]
    await client.add(['a', 'b', 'c'].map((name) => defineJob({ name, tags: ['eu'], tasks })))
    await client.pause('a', { for: { hours: 1 } })
    await client.pause('a', { for: { minutes: 1 }, reason: 'shorter' })
    expect((await client.job('a')).paused).toEqual({ at: at(0), until: at(3600), reason: null, actor: null })
    await client.pause('b')
    await client.pause('b', { until: at(7200) })
    expect((await client.job('b')).paused?.until).toBeNull()
    expect([...(await client.pauseAll({ tag: 'eu' }, { until: at(3600) }))]).toEqual(['c'])
    expect([...(await client.pauseAll({ tag: 'eu' }, { for: { hours: 2 } }))].sort()).toEqual(['a', 'c'])
    expect([...(await client.pauseAll({ tag: 'eu' }))].sort()).toEqual(['a', 'c'])
    expect([...(await client.resumeAll({ tag: 'eu' }))].sort()).toEqual(['a', 'b', 'c'])
  })

  it('a pause with an invalid end is rejected, and no job is paused', async () => {
    const world = createWorld(place)
    const client = createClient({ storage: world.connect(), clock: world.clock })
    await client.add(defineJob({ name: 'a', tags: ['eu'], tasks: [{ name: 'work', handler: 'note' }] }))
    const wrong = [
      [{ until: at(0) }, 'INVALID_ARGUMENT', 'until'],
      [{ until: at(60), for: 60_000 }, 'INVALID_ARGUMENT', 'for'],
      [{ until: 'tomorrow' }, 'INVALID_INSTANT', 'until'],
      [{ for: 0 }, 'INVALID_DURATION', 'for'],
      [{ for: 'P9000000D' }, 'INVALID_DURATION', 'for'],
    ] as const
    for (const [options, code, field] of wrong) {
      const value = options[field as keyof typeof options]
      const error = { code, field, value, remedy: expect.any(String) }
      await expect(client.pause('a', options)).rejects.toMatchObject(error)
      await expect(client.pauseAll({ tag: 'eu' }, options)).rejects.toMatchObject(error)
    }
    expect((await client.job('a')).paused).toBeNull()
  })
})
