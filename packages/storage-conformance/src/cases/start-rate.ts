import assert from 'node:assert/strict'
import type { CreateItem, JobRecord, OccurrenceRecord, StartRate } from '@jobistemer/core/storage'
import { recoveryItem, requestItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome } from '../stage/expect.ts'
import { minute, second, slotAt } from '../stage/instants.ts'
import { jobContent, type JobOptions } from '../stage/job-content.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'

/** Two starts per five minutes. The slots of these cases are one minute apart. */
const twoInFive: StartRate = { limit: 2, intervalMs: 5 * minute }

interface Stage {
  readonly node: TestNode
  readonly job: JobRecord
}

/** Creates a job with a start rate and `maxConcurrency: 10`. */
async function rated(world: CaseWorld, startRate: StartRate, options: JobOptions = {}): Promise<Stage> {
  const node = await TestNode.connect(world)
  const job = await node.createJob({ policy: 'queue', maxConcurrency: 10, startRate, ...options })
  return { node, job }
}

/** Creates a job with a start rate of two in five minutes. Slots 1 and 2 use both starts up. */
async function usedUp(world: CaseWorld, options: JobOptions = {}): Promise<Stage & { readonly running: Held[] }> {
  const { node, job } = await rated(world, twoInFive, options)
  return { node, job, running: [await node.startSlot(job, 1), await node.startSlot(job, 2)] }
}

async function startedAt(node: TestNode, now: number): Promise<readonly number[]> {
  return (await node.claim(now)).claimed.map(({ scheduledAt }) => scheduledAt)
}

function waitsFor({ state, reason, dueAt }: OccurrenceRecord): readonly unknown[] {
  return [state, reason, dueAt]
}

/** Cases about the start rate of a job. */
export const startRateCases: readonly StorageCase[] = caseGroup('start rate', {
  'the head holds the rate and the last starts, and neither for a job without a rate': async (world) => {
    const { node, job } = await rated(world, twoInFive)
    const plain = await node.createJob({ name: 'plain', policy: 'queue' })
    assert.deepEqual(job.overlap, {
      policy: 'queue',
      maxQueued: 1_000,
      maxConcurrency: 10,
      startRate: { limit: 2, intervalMs: 300_000 },
    })
    assert.equal('starts' in (await node.head(job.id)), false)
    await node.startSlot(job, 1)
    await node.startSlot(job, 2, { nextAt: slotAt(7) })
    await node.startSlot(job, 7)
    await node.startSlot(plain, 1)
    const head = await node.head(job.id)
    assert.deepEqual([head.overlap, head.starts], [job.overlap, [slotAt(2), slotAt(7)]])
    const other = await node.head(plain.id)
    assert.deepEqual([other.overlap, 'starts' in other], [{ policy: 'queue', maxQueued: 1_000 }, false])
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }), 'saved')
    assert.deepEqual([answer.job.overlap, 'starts' in answer.job], [{ policy: 'queue', maxQueued: 1_000 }, false])
    assert.equal('starts' in (await node.head(job.id)), false)
  },

  'occurrences start up to the limit, and the next is pending until the first start lies an interval back': async (
    world,
  ) => {
    const { node, job } = await usedUp(world)
    const third = await node.addSlot(job, 3, 'pending', { run: true })
    assert.deepEqual(waitsFor(await node.record(third)), ['pending', 'start_rate', slotAt(6)])
    const early = await node.claim(slotAt(6) - 1)
    assert.deepEqual([early.claimed, early.nextDueAt], [[], slotAt(6)])
    assert.equal((await node.claimOne(slotAt(6))).id, third.id)
    assert.deepEqual((await node.head(job.id)).starts, [slotAt(2), slotAt(6)])
  },

  'the interval may begin anywhere: what starts late in one counts in the next': async (world) => {
    const { node, job } = await rated(world, twoInFive)
    await node.startSlot(job, 1, { nextAt: slotAt(5) })
    await node.startSlot(job, 5)
    await node.startSlot(job, 6)
    await node.addSlot(job, 7, 'pending', { run: true })
    await node.addSlot(job, 8, 'pending', { run: true })
    assert.deepEqual(await startedAt(node, slotAt(9)), [])
    assert.deepEqual(await startedAt(node, slotAt(10)), [slotAt(7)])
    assert.deepEqual(await startedAt(node, slotAt(11)), [slotAt(8)])
  },

  'a trigger counts as a slot does, and so does a claim': async (world) => {
    const { node, job } = await rated(world, twoInFive)
    await node.addTrigger(job, 'asked', slotAt(1), 'running', { run: true })
    await node.addTrigger(job, 'left', slotAt(2), 'pending')
    assert.equal((await startedAt(node, slotAt(2))).length, 1)
    await node.addTrigger(job, 'more', slotAt(3), 'pending', { run: true })
    await node.addSlot(job, 1, 'pending', { run: true })
    assert.deepEqual(await startedAt(node, slotAt(5)), [])
  },

  'waiting occurrences start in order, one at each permitted instant, and new ones start later': async (world) => {
    const { node, job, running } = await usedUp(world)
    for (const held of running) await node.finish(held, { now: slotAt(2) })
    for (let index = 3; index <= 7; index++) await node.addSlot(job, index, 'pending', { run: true })
    assert.deepEqual(await startedAt(node, slotAt(6)), [slotAt(3)])
    expectCreated(await node.create(slotItem(job, 8, { run: true }), slotAt(8)), 'queued')
    assert.deepEqual(await startedAt(node, slotAt(8)), [slotAt(4)])
    assert.deepEqual(await startedAt(node, slotAt(11)), [slotAt(5)])
    assert.deepEqual(await startedAt(node, slotAt(12)), [])
    assert.deepEqual(await startedAt(node, slotAt(13)), [slotAt(6)])
    assert.deepEqual(await startedAt(node, slotAt(23)), [slotAt(7), slotAt(8)])
  },

  'a claim of one occurrence leaves only the first beyond the rate pending, and makes each later one queued': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxConcurrency: 9 })
    const slots: CreateItem[] = []
    for (let index = 1; index <= 4; index++) slots.push(await node.addSlot(job, index, 'pending'))
    const startRate = { limit: 1, intervalMs: 5 * minute }
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 9, startRate }), 'saved')
    const [first] = (await node.claim(slotAt(5), { limit: 1 })).claimed
    assert.equal(first?.scheduledAt, slotAt(1))
    assert.deepEqual((await node.claim(slotAt(6), { limit: 1 })).claimed, [])
    const states = await Promise.all(slots.map((slot) => node.stateOf(slot)))
    assert.deepEqual(states, ['running', 'pending', 'queued', 'queued'])
  },

  'one claim starts occurrences up to the limit of the rate, and wakes queued ones for that': async (world) => {
    const node = await TestNode.connect(world)
    const startRate = { limit: 3, intervalMs: minute }
    const job = await node.createJob({ policy: 'queue', maxConcurrency: 1, startRate })
    await node.startSlot(job, 1)
    for (let index = 2; index <= 7; index++) await node.addSlot(job, index, 'queued')
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 9, startRate }), 'saved')
    const { claimed, nextDueAt } = await node.claim(slotAt(9))
    assert.deepEqual(
      claimed.map(({ scheduledAt }) => scheduledAt),
      [slotAt(2), slotAt(3), slotAt(4)],
    )
    assert.equal(nextDueAt, slotAt(10))
    assert.deepEqual(await startedAt(node, slotAt(10)), [slotAt(5), slotAt(6), slotAt(7)])
  },

  'a limit of places and a start rate hold together, and every occurrence starts in the end': async (world) => {
    const startRate = { limit: 2, intervalMs: minute }
    const { node, job } = await rated(world, startRate, { maxConcurrency: 3 })
    const waiting: CreateItem[] = Array.from({ length: 12 }, (_, index) => slotItem(job, index + 1, { run: true }))
    for (const item of waiting) await node.create(item, slotAt(12))
    const order: number[] = []
    for (let now = slotAt(12); order.length < 10; now += 20 * second) {
      assert.ok(now < slotAt(40), `only ${order.length} of 10 have started`)
      const { claimed } = await node.claim(now)
      order.push(...claimed.map(({ scheduledAt }) => scheduledAt))
      const running = (await node.history(job.id)).filter(({ state }) => state === 'running')
      assert.ok(running.length <= 3, `${running.length} run at once`)
      if (running.length === 3) await node.finish(running[0] as Held, { now })
    }
    const rest = Array.from({ length: 10 }, (_, index) => slotAt(index + 3))
    assert.deepEqual(order, rest)
  },

  'one that was handed back, or taken from its owner, starts once more, and counts': async (world) => {
    const { node, job, running } = await usedUp(world)
    const [first, second_] = running as [Held, Held]
    await node.release(first, slotAt(3), { now: slotAt(3) })
    expectOutcome(await node.reap(second_, { now: slotAt(4), action: 'retry' }), 'reaped')
    assert.deepEqual(await startedAt(node, slotAt(5)), [])
    assert.deepEqual(await startedAt(node, slotAt(6)), [slotAt(1)])
    assert.deepEqual(await startedAt(node, slotAt(7)), [slotAt(2)])
    assert.deepEqual((await node.head(job.id)).starts, [slotAt(6), slotAt(7)])
  },

  'an attempt is no start, and neither is an end': async (world) => {
    const { node, job, running } = await usedUp(world)
    const [first] = running as [Held]
    expectOutcome(await node.settle(first, { kind: 'progress' }, { now: slotAt(3), sequence: 1 }), 'ok')
    await node.finish(first, { now: slotAt(4), sequence: 2 })
    assert.deepEqual((await node.head(job.id)).starts, [slotAt(1), slotAt(2)])
  },

  'one that is canceled while it waits gives its turn to the next': async (world) => {
    const { node, job } = await usedUp(world)
    const third = await node.addSlot(job, 3, 'pending', { run: true })
    const fourth = await node.addSlot(job, 4, 'pending', { run: true })
    await node.cancel(third, { now: slotAt(5) })
    assert.equal((await node.claimOne(slotAt(6))).id, fourth.id)
  },

  'skip: nothing is skipped for the rate, and what comes while one waits is': async (world) => {
    const { node, job, running } = await usedUp(world, { policy: 'skip' })
    for (const held of running) await node.finish(held, { now: slotAt(2) })
    const third = await node.addSlot(job, 3, 'pending', { run: true })
    assert.equal((await node.claim(slotAt(5))).claimed.length, 0)
    assert.equal(await node.stateOf(third), 'pending')
    const single = await node.createJob({ name: 'single', policy: 'skip', startRate: { limit: 1, intervalMs: minute } })
    await node.finish(await node.startSlot(single, 1))
    expectCreated(await node.create(slotItem(single, 2, { run: true }), slotAt(2) - 1), 'pending')
    expectCreated(await node.create(slotItem(single, 3, { run: true }), slotAt(2) - 1), 'skipped')
  },

  'a sweep wakes nothing that waits behind another one': async (world) => {
    const { node, job } = await rated(world, { limit: 1, intervalMs: 5 * minute })
    const slots = [1, 2, 3].map((index) => slotItem(job, index))
    for (const slot of slots) expectCreated(await node.create(slot), 'pending')
    const statesAfter = async (sweep: boolean) => {
      await node.claim(slotAt(3), { sweep })
      return await Promise.all(slots.map((slot) => node.stateOf(slot)))
    }
    // The start rate does not allow slots 2 and 3 to start yet. So the first claim leaves them pending, or moves some of them
    // back to `queued`. The second claim, with a sweep, must not wake them, so their states must stay the same.
    const states = await statesAfter(false)
    assert.equal(states[0], 'running')
    assert.deepEqual(await statesAfter(true), states)
  },

  'queue_one: the newest waits in place of the one before, for the same time': async (world) => {
    const startRate = { limit: 1, intervalMs: 5 * minute }
    const { node, job } = await rated(world, startRate, { policy: 'queue_one', maxConcurrency: 1 })
    await node.finish(await node.startSlot(job, 1))
    const second_ = await node.addSlot(job, 2, 'pending', { run: true })
    const third = await node.addSlot(job, 3, 'pending', { run: true })
    assert.equal(await node.stateOf(second_), 'canceled')
    assert.deepEqual(waitsFor(await node.record(third)), ['pending', 'start_rate', slotAt(6)])
    assert.equal((await node.claimOne(slotAt(6))).id, third.id)
  },

  'a paused job starts nothing when the time comes, and the first when it is resumed': async (world) => {
    const { node, job } = await usedUp(world)
    await node.addSlot(job, 3, 'pending', { run: true })
    expectOutcome(await node.pause(job.id, slotAt(4)), 'saved')
    assert.deepEqual(await startedAt(node, slotAt(6)), [])
    expectOutcome(await node.resume(job.id, slotAt(8)), 'saved')
    assert.deepEqual(await startedAt(node, slotAt(8)), [slotAt(3)])
  },

  'one that has waited for its time waits on where the rate allows no start': async (world) => {
    const { node, job } = await usedUp(world)
    const later = await node.addTrigger(job, 'later', slotAt(2), 'pending', { dueAt: slotAt(4) })
    assert.deepEqual(await startedAt(node, slotAt(4)), [])
    assert.deepEqual(waitsFor(await node.record(later)), ['pending', 'start_rate', slotAt(6)])
    assert.equal((await node.claimOne(slotAt(6))).id, later.id)
  },

  'a recovery lets its runs wait too': async (world) => {
    const { node, job } = await usedUp(world)
    const entries = [3, 4, 5].map((index) => runEntry(job, index))
    const item = recoveryItem(job, 5, { expectedWatermark: (await node.head(job.id)).watermark, entries })
    expectOutcome(expectOne(await node.createAll([item], slotAt(5))), 'created')
    assert.deepEqual(await startedAt(node, slotAt(5)), [])
    assert.deepEqual(await startedAt(node, slotAt(6)), [slotAt(3)])
    assert.deepEqual(await startedAt(node, slotAt(20)), [slotAt(4), slotAt(5)])
  },

  'clocks that are apart let no more start within an interval than it allows, by what they say': async (world) => {
    const { node, job } = await rated(world, { limit: 2, intervalMs: minute })
    const [fast, slow] = [slotAt(20), slotAt(15)]
    const clocks = [fast, fast, slow, slow, fast + 30 * second, slow + minute, fast + minute, fast, fast + 5 * minute]
    for (const [index, now] of clocks.entries()) {
      await node.create(requestItem(job, `asked-${index}`, now, { run: true }), now)
      await node.claim(now)
    }
    const starts = (await node.history(job.id)).flatMap(({ startedAt: at }) => at ?? []).sort()
    assert.ok(starts.length >= 4, `only ${starts.length} have started`)
    for (const [index, at] of starts.entries()) {
      const second_ = starts[index + 2]
      assert.ok(second_ === undefined || second_ - at >= minute, `three have started within a minute: ${starts}`)
    }
  },

  'an update to a higher rate lets waiting occurrences start by that rate': async (world) => {
    const { node, job } = await usedUp(world)
    const third = await node.addSlot(job, 3, 'pending', { run: true })
    const startRate = { limit: 2, intervalMs: 2 * minute }
    expectOutcome(
      await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 10, startRate }, 'keep', slotAt(2)),
      'saved',
    )
    assert.deepEqual(waitsFor(await node.record(third)), ['pending', 'start_rate', slotAt(3)])
    assert.equal((await node.claimOne(slotAt(3))).id, third.id)
  },

  'an update that takes the rate away lets all start that have a place': async (world) => {
    const { node, job } = await usedUp(world)
    for (let index = 3; index <= 8; index++) await node.create(slotItem(job, index, { run: true }), slotAt(5))
    assert.deepEqual(await startedAt(node, slotAt(8)), [slotAt(3), slotAt(4)])
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 10 }, 'keep', slotAt(9)), 'saved')
    const started = [...(await startedAt(node, slotAt(9)))]
    assert.ok(started.length > 0, 'nothing starts at once')
    for (let rounds = 0; started.length < 4 && rounds < 4; rounds++) {
      const running = (await node.history(job.id)).filter(({ state }) => state === 'running')
      await node.finish(running[0] as Held, { now: slotAt(9) })
      started.push(...(await startedAt(node, slotAt(9))))
    }
    assert.deepEqual(
      started,
      [5, 6, 7, 8].map((index) => slotAt(index)),
    )
  },

  'an update to a lower rate counts what has started before': async (world) => {
    const { node, job } = await usedUp(world)
    const startRate = { limit: 1, intervalMs: 10 * minute }
    const answer = expectOutcome(
      await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 10, startRate }),
      'saved',
    )
    assert.deepEqual(answer.job.starts, [slotAt(2)])
    const item = slotItem({ ...job, version: answer.job.version }, 3, { run: true })
    expectCreated(await node.create(item), 'pending')
    assert.deepEqual(waitsFor(await node.record(item)), ['pending', 'start_rate', slotAt(12)])
  },

  'a job that is created over its tombstone counts what has started before': async (world) => {
    const { node, job, running } = await usedUp(world)
    for (const held of running) await node.finish(held)
    expectOutcome(await node.deleteJob(job.id, slotAt(3)), 'saved')
    const content = jobContent({ policy: 'queue', startRate: twoInFive, nextAt: slotAt(4) })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }, slotAt(3)), 'saved')
    assert.deepEqual(answer.job.starts, [slotAt(1), slotAt(2)])
    const item = requestItem({ ...job, version: answer.job.version }, 'asked', slotAt(4), { run: true })
    expectCreated(await node.create(item), 'pending')
  },
})
