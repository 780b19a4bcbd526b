import { createClient, type GaugeValues, type Job } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { ClockWorld, day, fateOf, hour, minute, minutes, second } from '../support/clock-world.ts'
import { everySeconds, everyType } from '../support/every.ts'
import { realign } from '../support/realign.ts'
import { listen } from '../support/world.ts'

const start = Date.UTC(2026, 0, 1)

/** Options of nodes that run for an hour. These nodes start only their own slots, so they need not poll each second. */
const calm = { pollInterval: { minutes: 1 } }

/**
 * Makes a simulated cluster in which the clock of one node was an hour ahead. By this clock, the node has already decided about
 * the slots of the next hour.
 */
async function aheadByAnHour(settings: Parameters<ClockWorld['recording']>[0] = {}) {
  const world = new ClockWorld({ hasClock: false })
  const recorded = world.recording(settings)
  const first = await world.started('first', { jobs: [recorded.job] })
  await world.clock.advance({ seconds: 90 })
  await first.scheduler.shutdown()
  await world.decideAhead(hour, { jobs: [recorded.job] })
  const { ran } = recorded
  const ranAhead = ran.splice(0)
  return { world, ...recorded, ranAhead }
}

describe('a job whose watermark lies an hour ahead of the time', () => {
  it('does not run, emits `job.ahead` and counts in the gauge `scheduler_jobs_ahead`', async () => {
    const { world, job, ran } = await aheadByAnHour()
    const metrics = metricsCollector()
    const node = world.node('only', { jobs: [job], metrics })
    const told = listen(node.scheduler, 'job.ahead')
    await node.scheduler.start()
    await world.clock.advance({ minutes: 10 })
    expect(told.map(({ event }) => [event.jobName, +event.decidedUpTo - start, Number(event.nextAt) - start])).toEqual([
      ['recording', 63 * minute, 64 * minute],
    ])
    expect(((await metrics.readGauges()) as GaugeValues).scheduler_jobs_ahead).toBe(1)
    expect(ran).toEqual([])
  })

  it('runs each of its remaining slots once after realign, but no slot that already ran while the job was ahead', async () => {
    const { world, job, ran, ranAhead } = await aheadByAnHour()
    expect(ranAhead).toEqual([minute, ...minutes(60, 63)])
    const metrics = metricsCollector()
    const { scheduler } = await world.started('only', { jobs: [job], metrics, ...calm })
    expect(await realign(scheduler, 'recording')).toEqual([
      {
        name: 'recording',
        decidedUpTo: new Date(start + 63 * minute),
        nextAt: new Date(start + 2 * minute),
      },
    ])
    expect(((await metrics.readGauges()) as GaugeValues).scheduler_jobs_ahead).toBe(0)
    await world.clock.advance({ minutes: 70 })
    expect(ran).toEqual([...minutes(2, 59), ...minutes(64, 71)])
    expect(await realign(scheduler)).toEqual([])
  })

  it('is realigned once although two nodes make four concurrent calls, and a third node adopts the new watermark', async () => {
    const { world, job, ran } = await aheadByAnHour()
    const left = await world.started('left', { jobs: [job] })
    const right = await world.started('right', { jobs: [job] })
    const third = await world.started('third', { jobs: [job] })
    const answers = await Promise.all([
      realign(left.scheduler),
      realign(right.scheduler, 'recording'),
      realign(left.scheduler, 'recording'),
      realign(right.scheduler),
    ])
    expect(answers.flat()).toHaveLength(1)
    await left.scheduler.shutdown()
    await right.scheduler.shutdown()
    await world.clock.advance({ minutes: 5 })
    expect(ran).toEqual(minutes(2, 6))
    expect((await third.scheduler.explain('recording', new Date(start + 6 * minute))).verdict).toBe('recorded')
  })

  it.each(['execute_all', 'compressed', 'mark_as_missed'] as const)(
    'runs no slot twice after realign under the recovery strategy %s',
    async (recoveryStrategy) => {
      const { world, job, ran, ranAhead } = await aheadByAnHour({ recoveryStrategy })
      const { scheduler } = await world.started('only', { jobs: [job], ...calm })
      await realign(scheduler)
      await world.clock.advance({ minutes: 70 })
      const all = [...ranAhead, ...ran]
      expect(new Set(all).size).toBe(all.length)
      // Each of the 71 slots has run once, either at its instant or ahead of its instant.
      expect(all.length).toBe(71)
      expect(ran.slice(-8)).toEqual(minutes(64, 71))
    },
  )

  it('does not run after `remove` and `add` until it is realigned', async () => {
    const { world, job, ran } = await aheadByAnHour()
    const { scheduler } = await world.started('only', { jobs: [job] })
    const told = listen(scheduler, 'job.ahead')
    await scheduler.remove('recording')
    await scheduler.add(job)
    await world.clock.advance({ minutes: 5 })
    expect(ran).toEqual([])
    expect(told).toHaveLength(1)
    await realign(scheduler, 'recording')
    await world.clock.advance({ minutes: 5 })
    expect(ran).toEqual(minutes(7, 11))
  })

  it('runs from the present on after realign, even if a node whose clock was ahead created the job', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, ran } = world.recording()
    await world.decideAhead(30 * day, { jobs: [job] }, 10)
    const { scheduler } = await world.started('only', { jobs: [job] })
    expect((await realign(scheduler)).map(({ name }) => name)).toEqual(['recording'])
    expect((await scheduler.explain('recording', new Date(start + 3 * minute))).verdict).toBe('will_run')
    await world.clock.advance({ minutes: 3 })
    expect(ran).toEqual(minutes(1, 3))
  })

  it('has a watermark at or above its prune floor after realign', async () => {
    const { world, job, ran } = await aheadByAnHour()
    const { scheduler } = await world.started('only', { jobs: [job], ...calm })
    const storage = world.connect()
    await storage.prune({ now: start + hour, jobId: job.id, before: start + 62 * minute, keep: 0, limit: 1000 })
    const [realigned] = await realign(scheduler)
    expect(realigned?.nextAt).toEqual(new Date(start + 62 * minute))
    await world.clock.advance({ minutes: 70 })
    expect(ran).toEqual(minutes(64, 71))
  })

  it.each([
    ['compressed', [59]],
    ['execute_last', [59]],
    [{ type: 'bounded_window', maxOccurrences: 2 }, [57, 58]],
  ] as const)(
    'recovers, after realign and a later outage, only missed slots that had not run while the job was ahead (strategy %j)',
    async (strategy, expected) => {
      const { world, job, ran } = await aheadByAnHour({ recoveryStrategy: strategy })
      const { scheduler } = await world.started('only', { jobs: [job], ...calm })
      await realign(scheduler)
      await world.clock.advanceTo(start + 55 * minute)
      await scheduler.shutdown()
      await world.clock.advanceTo(start + 63 * minute + 30 * second)
      ran.length = 0
      await world.started('next', { jobs: [job] })
      await world.clock.advance({ minutes: 1 })
      expect(ran).toEqual([...expected.map((slot) => slot * minute), 64 * minute])
    },
  )

  it('runs each pending occurrence once after realign', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, ran } = world.recording()
    const first = await world.started('first', { jobs: [job] })
    await world.clock.advance({ seconds: 90 })
    await first.scheduler.shutdown()
    // A run of another job holds the only permit of this node, so the node creates slots and runs none of them.
    await world.decideAhead(hour, { maxConcurrentJobs: 1, prefetch: 0, ...busy(world, job) }, minute)
    ran.splice(0)
    const { scheduler } = await world.started('only', { jobs: [job], ...calm })
    await realign(scheduler)
    const waiting = (await scheduler.occurrences({ job: 'recording', states: ['pending'] })).items
    expect(waiting.length).toBeGreaterThan(0)
    await world.clock.advance({ minutes: 70 })
    expect(new Set(ran).size).toBe(ran.length)
    expect(ran).toContain((waiting[0]?.scheduledAt.getTime() as number) - start)
  })

  it('cannot be realigned by a node whose time is in doubt', async () => {
    const { world, job } = await aheadByAnHour()
    const node = await world.started('only', { jobs: [job] })
    node.clock.offsetMs = -hour
    await expect(realign(node.scheduler)).rejects.toMatchObject({ code: 'CLOCK_UNCONFIRMED', field: 'clock' })
    await expect(realign(node.scheduler, 'recording')).rejects.toMatchObject({ code: 'CLOCK_UNCONFIRMED' })
    node.clock.offsetMs = 0
    await world.clock.advance({ seconds: 2 })
    expect(await realign(node.scheduler)).toHaveLength(1)
  })

  it('emits `job.ahead` on a node whose confirmed time moves back, as the watermark is then ahead of this time', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job } = world.recording()
    const node = await world.started('only', { jobs: [job], ...calm })
    const told = listen(node.scheduler, 'job.ahead')
    await world.clock.advance({ minutes: 30 })
    node.clock.offsetMs = -10 * minute
    await world.clock.advance({ seconds: 20 })
    const said = told.map(({ event: { jobName, decidedUpTo, nextAt } }) => [jobName, Number(nextAt) - +decidedUpTo])
    expect(said).toEqual([['recording', minute]])
  })

  it('emits no `job.ahead` on a node whose machine slept while other nodes created slots', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job } = world.recording()
    const slept = await world.started('slept', { jobs: [job] })
    const told = listen(slept.scheduler, 'job.ahead', 'job.registered')
    await world.clock.advance({ seconds: 90 })
    await world.clock.jumpTo(world.clock.now() + hour)
    const other = await world.started('other', { jobs: [job] })
    await world.clock.advance({ seconds: 5 })
    await other.scheduler.update('recording', { schedule: everySeconds(30) })
    await world.clock.advance({ seconds: 5 })
    expect(slept.told()).toEqual([`unconfirmed ${hour}`])
    expect(told.map(({ name }) => name)).toEqual(['job.registered'])
  })

  it('is realigned even if another job is unknown to the node or has a schedule type that the node cannot load', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job } = world.recording()
    const foreign = world.recording({ name: 'foreign', schedule: foreignSchedule() }).job
    const unknown = world.recording({ name: 'unknown' }).job
    await world.decideAhead(hour, { jobs: [job, foreign, unknown] }, 10)
    const { scheduler } = await world.started('only', { jobs: [job] })
    expect((await realign(scheduler)).map(({ name }) => name)).toEqual(['recording'])
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    expect((await realign(client, 'unknown')).map(({ name }) => name)).toEqual(['unknown'])
    await expect(realign(client, 'foreign')).rejects.toMatchObject({ code: 'UNKNOWN_SCHEDULE_TYPE' })
  })
})

/** Returns settings of a node whose only permit is held by a run of another job. */
function busy(world: ClockWorld, job: Job) {
  const other = world.recording({ name: 'other' }).job
  const tasks = other.tasks.map((task) => ({ ...task, run: () => new Promise<void>(() => undefined) }))
  return { jobs: [{ ...other, tasks }, job] }
}

/**
 * Returns a schedule of a special type. A node knows this type only if one of the node's own jobs has a schedule of the
 * type.
 */
function foreignSchedule() {
  const schedule = everySeconds(60)
  const plain = { ...schedule.toJSON(), type: 'foreign' }
  return Object.defineProperties(schedule, {
    type: { value: { ...schedule.type, name: 'foreign' } },
    toJSON: { value: () => plain },
  })
}

it('if a job is ahead, an update with `realign` applies the new schedule from now on, not from the watermark on', async () => {
  const { world, job, ran } = await aheadByAnHour()
  const { scheduler } = await world.started('only', { jobs: [job] })
  const schedule = everySeconds(30)
  const answer = await scheduler.update('recording', { schedule }, { realign: true, reason: 'wrong clock' })
  expect(answer).toMatchObject({ changed: true, realigned: { decidedUpTo: new Date(start + 63 * minute) } })
  expect((await scheduler.versions('recording'))[0]?.reason).toBe('wrong clock')
  await world.clock.advance({ minutes: 1 })
  expect(ran).toEqual([2 * minute, 2.5 * minute])
})

it('realign does not change a job whose watermark is not ahead of the time', async () => {
  const world = new ClockWorld({ hasClock: false })
  const { job, ran } = world.recording()
  const { scheduler } = await world.started('only', { jobs: [job] })
  await world.clock.advance({ minutes: 2 })
  expect(await realign(scheduler)).toEqual([])
  await world.clock.advance({ minutes: 2 })
  expect(ran).toEqual(minutes(1, 4))
  expect((await scheduler.occurrences({ job: 'recording' })).items.map(fateOf)).toHaveLength(4)
})
