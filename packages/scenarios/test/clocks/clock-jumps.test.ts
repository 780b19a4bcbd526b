import { defineJob, occurrenceId } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { ClockWorld, day, hour, minute, minutes, second } from '../support/clock-world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/**
 * The instants at which the runs of five slots may start. A slot usually starts on time. If the time of the assigned node is in
 * doubt, a peer launches the slot 1 s late.
 */
const inTime = [1, 2, 3, 4, 5].map((slot) => expect.toBeOneOf([slot * minute, slot * minute + second]))

describe('on a storage with its own clock', () => {
  describe.each([
    ['30 days ahead', 30 * day],
    ['30 days behind', -30 * day],
  ])('that is wrong by %s', (_, byMs) => {
    it('after a single reading of the wrong time, a node creates, recovers and reaps no run', async () => {
      const world = new ClockWorld({ hasClock: true })
      const { job, ran, at } = world.recording()
      const long = world.long()
      const right = world.storageClock.now
      let isWrongOnce = false
      world.storageClock.now = () => {
        const time = right() + (isWrongOnce ? byMs : 0)
        isWrongOnce = false
        return time
      }
      // Each node reads the storage's clock at its start and then every minute. The slots are at full minutes. The nodes start
      // 7 s after a full minute, so they read the clock between two slots.
      await world.clock.advance({ seconds: 7 })
      const left = await world.started('left', { jobs: [job, long] })
      const node = await world.started('right', { jobs: [job, long] })
      await world.clock.advance({ seconds: 83 })
      isWrongOnce = true
      await world.clock.advance({ minutes: 8 })
      expect(ran).toEqual(minutes(1, 9))
      expect(at).toEqual(ran)
      expect([...left.told(), ...node.told()]).toEqual([`unconfirmed ${byMs}`, 'confirmed 0'])
      await world.clock.advance({ minutes: 25 })
      expect((await node.scheduler.occurrences({ job: 'long' })).items.map(({ state }) => state)).toEqual(['completed'])
    })

    it('a node that reads the wrong time for 12 s starts no run during these 12 s, and runs due slots afterwards', async () => {
      const world = new ClockWorld({ hasClock: true })
      const { job, ran, at } = world.recording()
      const long = world.long()
      await world.clock.advance({ seconds: 50 })
      const node = await world.started('only', { jobs: [job, long] })
      // The node reads the storage's clock again 1 s after this advance.
      await world.clock.advance({ seconds: 59 })
      world.storageClock.offsetMs = byMs
      await world.clock.advance({ seconds: 12 })
      expect(ran).toEqual(minutes(1, 1))
      world.storageClock.offsetMs = 0
      await world.clock.advance({ minutes: 3 })
      expect(ran).toEqual(minutes(1, 5))
      expect(at).toEqual([minute, 122 * second, ...minutes(3, 5)])
      expect(node.told()).toEqual([`unconfirmed ${byMs}`, 'confirmed 0'])
    })

    it("a starting node waits until the storage's clock is right again, and reaps no running occurrence", async () => {
      const world = new ClockWorld({ hasClock: true })
      const { job, ran } = world.recording()
      const long = world.long()
      const first = await world.started('first', { jobs: [long] })
      await world.clock.advance({ seconds: 90 })
      world.storageClock.offsetMs = byMs
      const second = world.node('second', { jobs: [job, long], ...tuned({ reapInterval: 1000 }) })
      let isStarted = false
      const starting = second.scheduler.start().then(() => {
        isStarted = true
      })
      await world.clock.advance({ seconds: 12 })
      expect(isStarted).toBe(false)
      world.storageClock.offsetMs = 0
      await world.clock.advance({ seconds: 1 })
      expect(isStarted).toBe(true)
      await starting
      await world.clock.advance({ minutes: 3 })
      expect(ran).toEqual(minutes(2, 4))
      expect(second.told()).toEqual([`unconfirmed ${byMs}`, 'confirmed 0'])
      expect(await first.scheduler.isRunning('long')).toBe(true)
    })
  })

  it("a node adopts the new time of the storage's clock after it has read this time for a minute", async () => {
    const world = new ClockWorld({ hasClock: true })
    const { job } = world.recording()
    const long = world.long()
    const node = await world.started('only', { jobs: [job, long] })
    await world.clock.advance({ seconds: 90 })
    world.storageClock.offsetMs = hour
    await world.clock.advance({ seconds: 89 })
    expect(node.told()).toEqual([`unconfirmed ${hour}`])
    await world.clock.advance({ seconds: 1 })
    expect(node.told()).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`, 'recovery.decided'])
    await world.clock.advance({ minutes: 15 })
    expect(node.told()).not.toContain('occurrence.reaped')
  })

  it("a node adopts the new time of the storage's clock after 15 s if the node's own clock agrees", async () => {
    const world = new ClockWorld({ hasClock: true })
    const { job } = world.recording()
    world.storageClock.offsetMs = -hour
    const node = world.node('only', { jobs: [job] })
    node.clock.offsetMs = -hour
    await node.scheduler.start()
    node.clock.offsetMs = 0
    await world.clock.advance({ seconds: 30 })
    expect(node.told()).toEqual([])
    world.storageClock.offsetMs = 0
    await world.clock.advance({ seconds: 30 + 16 })
    expect(node.told().slice(0, 2)).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`])
  })

  it('a node whose machine slept for an hour notices a time jump, and recovers missed slots 15 s later', async () => {
    const world = new ClockWorld({ hasClock: true })
    const { job, ran, at } = world.recording()
    const long = world.long()
    const node = await world.started('only', { jobs: [job, long] })
    await world.clock.advance({ seconds: 90 })
    await world.clock.jumpTo(world.clock.now() + hour)
    await world.clock.advance({ seconds: 15 })
    expect(ran).toEqual(minutes(1, 1))
    await world.clock.advance({ seconds: 1 })
    expect(ran).toEqual([minute, ...minutes(60, 61)])
    expect(node.told()).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`, 'recovery.decided'])
    await world.clock.advance({ minutes: 2 })
    expect(ran).toEqual([minute, ...minutes(60, 63)])
    expect(at.slice(-2)).toEqual(minutes(62, 63))
    await world.clock.advance({ minutes: 25 })
    expect((await node.scheduler.occurrences({ job: 'long' })).items.map(({ state }) => state)).toEqual(['completed'])
  })

  it("a shutdown makes `start` reject while `start` waits for the node's clock and the storage's clock to agree", async () => {
    const world = new ClockWorld({ hasClock: true })
    world.storageClock.offsetMs = hour
    const { scheduler } = world.node('only')
    const starting = scheduler.start()
    const outcome = expect(starting).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    await world.clock.advance({ seconds: 5 })
    const stopping = scheduler.shutdown()
    await world.clock.advance({ seconds: 1 })
    await stopping
    await outcome
  })
})

describe('on a storage without a clock', () => {
  describe.each([
    ['an hour ahead', hour],
    ['an hour behind', -hour],
  ])('a wall clock that is set %s', (_, byMs) => {
    it('for 12 s on one of two nodes makes no slot run early or late', async () => {
      const world = new ClockWorld({ hasClock: false })
      const { job, ran, at } = world.recording()
      const long = world.long()
      const left = await world.started('left', { jobs: [job, long], ...tuned({ reapInterval: 1000 }) })
      const right = await world.started('right', { jobs: [job, long], ...tuned({ reapInterval: 1000 }) })
      await world.clock.advance({ seconds: 115 })
      left.clock.offsetMs = byMs
      await world.clock.advance({ seconds: 12 })
      left.clock.offsetMs = 0
      await world.clock.advance({ minutes: 3 })
      expect(ran).toEqual(minutes(1, 5))
      expect(at).toEqual(inTime)
      expect([left.told(), right.told()]).toEqual([[`unconfirmed ${byMs}`, 'confirmed 0'], []])
      expect(await right.scheduler.isRunning('long')).toBe(true)
    })

    it('for 12 s on the only node delays due slots until the clock is right again', async () => {
      const world = new ClockWorld({ hasClock: false })
      const { job, ran, at } = world.recording()
      const node = await world.started('only', { jobs: [job] })
      await world.clock.advance({ seconds: 115 })
      node.clock.offsetMs = byMs
      await world.clock.advance({ seconds: 12 })
      node.clock.offsetMs = 0
      await world.clock.advance({ minutes: 3 })
      expect(ran).toEqual(minutes(1, 5))
      expect(at).toEqual([minute, 128 * second, ...minutes(3, 5)])
      expect(node.told()).toEqual([`unconfirmed ${byMs}`, 'confirmed 0'])
    })
  })

  it('two nodes whose wall clocks are both set an hour ahead adopt the new time after 15 s', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, ran } = world.recording()
    const left = await world.started('left', { jobs: [job] })
    const right = await world.started('right', { jobs: [job] })
    await world.clock.advance({ seconds: 90 })
    left.clock.offsetMs = right.clock.offsetMs = hour
    await world.clock.advance({ seconds: 16 })
    expect(left.told().slice(0, 2)).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`])
    expect(right.told().slice(0, 2)).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`])
    await world.clock.advance({ minutes: 2 })
    expect(ran).toEqual([minute, ...minutes(60, 63)])
  })

  it('a node whose machine slept for an hour recovers missed slots 16 s after the end of the sleep', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, ran } = world.recording()
    const node = await world.started('only', { jobs: [job] })
    await world.clock.advance({ seconds: 90 })
    await world.clock.jumpTo(world.clock.now() + hour)
    await world.clock.advance({ seconds: 16 })
    expect(ran).toEqual([minute, ...minutes(60, 61)])
    expect(node.told()).toEqual([`unconfirmed ${hour}`, `confirmed ${hour}`, 'recovery.decided'])
  })

  it("a trigger is stored while the node's time is in doubt, and runs when the time is confirmed", async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, at } = world.recording({ name: 'asked' })
    const node = await world.started('only', { jobs: [job], pollInterval: { hours: 1 } })
    await world.clock.advance({ seconds: 10 })
    node.clock.offsetMs = hour
    await world.clock.advance({ seconds: 2 })
    const { state } = await node.scheduler.trigger('asked')
    expect(state).toBe('pending')
    await world.clock.advance({ seconds: 5 })
    expect(at).toEqual([])
    node.clock.offsetMs = 0
    await world.clock.advance({ seconds: 1 })
    expect(at).toEqual([18 * second])
  })

  it("a node does not reap the run of a dead owner while the node's time is in doubt", async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job } = world.recording({ name: 'asked' })
    const node = await world.started('only', { jobs: [job], ...tuned({ reapInterval: 1000 }) })
    await world.clock.advance({ seconds: 20 })
    const scheduledAt = world.clock.now()
    const id = occurrenceId(job.id, scheduledAt)
    const trigger = { kind: 'trigger', id, jobId: job.id, scheduledAt, dueAt: scheduledAt, jobVersion: 1 } as const
    await world.connect().createOccurrences({
      now: scheduledAt,
      owner: { node: 'gone', incarnation: 'gone' },
      items: [{ ...trigger, executionTimeoutMs: 10 * second, details: {}, runs: [] }],
    })
    // While the node's clock is wrong, the run reaches its deadline at 30 s, and the grace period of the reaper ends at 40 s.
    await world.clock.advance({ seconds: 16 })
    node.clock.offsetMs = -hour
    await world.clock.advance({ seconds: 12 })
    expect(node.told()).toEqual([`unconfirmed ${-hour}`])
    node.clock.offsetMs = 0
    await world.clock.advance({ seconds: 3 })
    expect(node.told()).toEqual([`unconfirmed ${-hour}`, 'confirmed 0', 'occurrence.reaped'])
  })

  it('a node adopts a clock step of 4 s without waiting for confirmation', async () => {
    const world = new ClockWorld({ hasClock: false })
    const { job, at } = world.recording()
    const node = await world.started('only', { jobs: [job] })
    await world.clock.advance({ seconds: 50 })
    node.clock.offsetMs = 4 * second
    await world.clock.advance({ minutes: 1 })
    expect(at).toEqual([56 * second])
    expect(node.told()).toEqual([])
  })
})

it('a slot whose `createOccurrences` call is repeated after a clock jump runs only after the jump is confirmed', async () => {
  const world = new ClockWorld({ hasClock: false })
  const told: (readonly string[])[] = []
  const job = defineJob({
    name: 'repeated',
    schedule: everySeconds(60),
    tasks: [{ name: 'work', run: () => void told.push(node.told()) }],
  })
  let isFailing = false
  const storage = wrapStorage(world.connect(), {
    around(call) {
      if (call.method !== 'createOccurrences' || !isFailing) return call.proceed()
      isFailing = false
      node.clock.offsetMs = 30 * day
      throw new Error('no answer')
    },
  })
  const node = world.node('only', { jobs: [job], storage })
  await node.scheduler.start()
  await world.clock.advance({ seconds: 90 })
  expect(told).toEqual([[]])
  isFailing = true
  await world.clock.advance({ minutes: 2 })
  expect(isFailing).toBe(false)
  // After the jump, the node also decides on the slots that the jump passed, before it starts the repeated slot.
  expect(told[1]).toEqual([`unconfirmed ${30 * day}`, expect.stringMatching(/^confirmed/), 'recovery.decided'])
})
