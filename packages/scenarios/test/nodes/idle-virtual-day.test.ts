import { createClient, createScheduler, defineJob, type Job, type Scheduler, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { afterEach, describe, expect, it } from 'vitest'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { memory } from '../support/places.ts'

const schedulers: Scheduler[] = []
afterEach(() => Promise.all(schedulers.splice(0).map((scheduler) => scheduler.shutdown())))

const yearly = defineJob({ name: 'yearly', schedule: cron('0 2 1 1 *'), tasks: [{ name: 'work', run() {} }] })

/** Makes a virtual clock, and schedulers on one memory storage that are shut down after the test. */
function scene() {
  const clock = virtualClock('2026-02-01T00:00:00Z')
  const place = memory.open()
  let wakeUps = 0
  const counting = {
    ...clock,
    setTimer(delayMs: number, callback: () => void) {
      return clock.setTimer(delayMs, () => {
        wakeUps++
        callback()
      })
    },
  }
  const begin = async (jobs: readonly Job[] = [yearly]) => {
    const counted = new InterceptedStorage(place.connect())
    const scheduler = createScheduler({ storage: counted.storage, clock: counting, jobs, logger: silentLogger })
    schedulers.push(scheduler)
    await scheduler.start()
    return { counted, scheduler }
  }
  const client = () => createClient({ storage: place.connect(), clock, logger: silentLogger })
  return { clock, begin, client, wakeUps: () => wakeUps }
}

describe('a lone scheduler on a memory storage with a virtual clock', () => {
  it('wakes at most 70 times and calls the storage at most 40 times in an idle day', async () => {
    const { clock, begin, wakeUps } = scene()
    const { counted } = await begin()
    await clock.advance({ days: 1 })
    const before = wakeUps()
    counted.reset()
    await clock.advance({ days: 1 })
    expect(wakeUps() - before).toBeLessThanOrEqual(70)
    expect(counted.calls.length).toBeLessThanOrEqual(40)
    expect(counted.count('heartbeat')).toBe(1)
  })

  it('needs at most 5 ms of processor time for an idle virtual day, on average over the best 10 of 100 days', async () => {
    const { clock, begin } = scene()
    await begin()
    // The processor time of the process also contains the garbage collection and compilation of earlier tests. On a busy
    // machine, the same work needs more processor time. Neither affects all 10 periods.
    const dayMs: number[] = []
    for (let period = 0; period < 10; period++) {
      const before = process.cpuUsage()
      await clock.advance({ days: 10 })
      const { user, system } = process.cpuUsage(before)
      dayMs.push((user + system) / 1000 / 10)
    }
    expect(Math.min(...dayMs)).toBeLessThanOrEqual(5)
  })

  it('is listed with the state `working` by a client that reads the nodes once a minute', async () => {
    const { clock, begin, client } = scene()
    await begin()
    const observer = client()
    for (let minute = 0; minute < 15; minute++) {
      expect(await observer.nodes()).toEqual([expect.objectContaining({ state: 'working', dead: null })])
      await clock.advance({ minutes: 1 })
    }
    await observer.close()
  })

  it('with failing heartbeats becomes isolated only when a second scheduler has lived for 80 % of deadAfter', async () => {
    const { clock, begin } = scene()
    const { counted, scheduler } = await begin()
    const isolated: number[] = []
    scheduler.on('node.isolated', () => isolated.push(clock.now()))
    await clock.advance({ days: 1 })
    counted.fail('heartbeat', Number.POSITIVE_INFINITY, 'before its effect')
    await clock.advance({ minutes: 15 })
    expect(isolated).toEqual([])
    const joinedAt = clock.now()
    await begin()
    await clock.advance({ minutes: 15 })
    expect(isolated).toEqual([joinedAt + 0.8 * 360_000])
  })

  it('starts a delayed trigger at its time', async () => {
    const { clock, begin } = scene()
    const started: number[] = []
    const run = () => void started.push(clock.now())
    const { scheduler } = await begin([defineJob({ name: 'mail', tasks: [{ name: 'send', run }] })])
    await clock.advance({ days: 1 })
    const startAt = clock.now() + 1_234_567
    await scheduler.trigger('mail', { at: new Date(startAt) })
    await clock.advance({ days: 1 })
    expect(started).toEqual([startAt])
  })

  it("emits `job.silent` within a second of a job's alertAfter if the job was defined after an idle day", async () => {
    const { clock, begin } = scene()
    const { scheduler } = await begin()
    await clock.advance({ days: 1 })
    const silent: number[] = []
    scheduler.on('job.silent', () => silent.push(clock.now()))
    const definedAt = clock.now()
    const watched = defineJob({
      name: 'watched',
      schedule: cron('0 2 1 1 *'),
      alertAfter: { minutes: 10 },
      tasks: [{ name: 'work', run() {} }],
    })
    await scheduler.add(watched)
    await clock.advance({ minutes: 11 })
    expect(silent).toHaveLength(1)
    expect((silent[0] ?? 0) - definedAt).toBeGreaterThanOrEqual(600_000)
    expect((silent[0] ?? 0) - definedAt).toBeLessThanOrEqual(601_000)
  })

  it('calls the storage at its usual intervals again once a second scheduler has started', async () => {
    const { clock, begin } = scene()
    const { counted } = await begin()
    await clock.advance({ days: 1 })
    await begin()
    await clock.advance({ seconds: 1 })
    counted.reset()
    await clock.advance({ minutes: 10 })
    const { calls } = counted
    const count = (name: string) => calls.filter(({ operation }) => operation === name).length
    expect(count('heartbeat')).toBe(10)
    expect(count('claim')).toBe(10)
    expect(count('listOccurrences')).toBeGreaterThanOrEqual(40)
  })

  it('sends heartbeats at the long intervals of a lone node again after the second scheduler has shut down', async () => {
    const { clock, begin } = scene()
    const { counted } = await begin()
    const { scheduler: second } = await begin()
    await second.shutdown()
    await clock.advance({ hours: 1 })
    counted.reset()
    await clock.advance({ hours: 1 })
    expect(counted.count('heartbeat')).toBeLessThanOrEqual(14)
  })
})
