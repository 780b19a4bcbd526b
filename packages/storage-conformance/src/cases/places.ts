import assert from 'node:assert/strict'
import type { CreateItem, JobRecord, OverlapPolicy } from '@jobistemer/core/storage'
import { recoveryItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import type { JobOptions } from '../stage/job-content.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'

interface Stage {
  readonly node: TestNode
  readonly job: JobRecord
  /** The running occurrences of the job's slots 1, 2 and so on. */
  readonly running: readonly Held[]
}

/** Creates a job whose places are all taken by running occurrences. */
async function full(world: CaseWorld, places: number, options: JobOptions = {}): Promise<Stage> {
  const node = await TestNode.connect(world)
  const job = await node.createJob({ policy: 'queue', maxConcurrency: places, ...options })
  const running: Held[] = []
  for (let index = 1; index <= places; index++) running.push(await node.startSlot(job, index))
  return { node, job, running }
}

/** High values of `maxConcurrency`. A faulty storage may count only to 3. */
const many: readonly number[] = [4, 5, 12]

/** Runs a check for each `maxConcurrency` in {@link many}, each time with a new job without free places. */
async function eachFull(
  world: CaseWorld,
  policy: OverlapPolicy,
  check: (stage: Stage, places: number) => Promise<void>,
): Promise<void> {
  for (const places of many) await check(await full(world, places, { name: `places-${places}`, policy }), places)
}

/** Creates a job with more running occurrences than places, because an update has lowered `maxConcurrency`. */
async function overfull(world: CaseWorld, running: number, places: number, policy: OverlapPolicy): Promise<Stage> {
  const node = await TestNode.connect(world)
  const first = await node.createJob({ policy: 'allow' })
  const held: Held[] = []
  for (let index = 1; index <= running; index++) held.push(await node.startSlot(first, index))
  const { job } = expectOutcome(await node.replaceJob(first.id, { policy, maxConcurrency: places }), 'saved')
  return { node, job, running: held }
}

/** Cases about jobs with `maxConcurrency` above 1. */
export const placesCases: readonly StorageCase[] = caseGroup('places', {
  'the head says how many there are, and nothing where it is one': async (world) => {
    const node = await TestNode.connect(world)
    const several = await node.createJob({ name: 'several', policy: 'queue', maxConcurrency: 3 })
    const one = await node.createJob({ name: 'one', policy: 'queue' })
    assert.deepEqual(several.overlap, { policy: 'queue', maxQueued: 1_000, maxConcurrency: 3 })
    assert.deepEqual((await node.head(several.id)).overlap, several.overlap)
    assert.deepEqual((await node.head(one.id)).overlap, { policy: 'queue', maxQueued: 1_000 })
    const answer = expectOutcome(await node.replaceJob(several.id, { policy: 'queue' }), 'saved')
    assert.deepEqual(answer.job.overlap, { policy: 'queue', maxQueued: 1_000 })
  },

  'occurrences start until all places are taken, and the next is queued': async (world) => {
    const { node, job } = await full(world, 3)
    await node.addSlot(job, 4, 'queued', { run: true })
    await node.addTrigger(job, 'asked', slotAt(5), 'queued', { run: true })
    assert.equal((await node.liveIds('running')).length, 3)
  },

  'skip: what is beyond the places is skipped': async (world) => {
    const { node, job, running } = await full(world, 2, { policy: 'skip' })
    await node.addSlot(job, 3, 'skipped', { run: true })
    await node.finish(running[0] as Held)
    await node.startSlot(job, 4)
    await node.addSlot(job, 5, 'skipped', { run: true })
  },

  'queue_one: one waits beyond the places, and the newest takes its place': async (world) => {
    const { node, job } = await full(world, 2, { policy: 'queue_one' })
    const first = await node.addSlot(job, 3, 'queued', { run: true })
    const second = await node.addSlot(job, 4, 'queued', { run: true })
    assert.deepEqual([await node.stateOf(first), await node.stateOf(second)], ['canceled', 'queued'])
    assert.equal((await node.liveIds('running')).length, 2)
  },

  'a pending occurrence has a place too': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxConcurrency: 2 })
    await node.addSlot(job, 1, 'pending')
    await node.startSlot(job, 2)
    await node.addSlot(job, 3, 'queued', { run: true })
  },

  'the end of any running occurrence wakes the first queued one': async (world) => {
    const { node, job, running } = await full(world, 2)
    const third = await node.addSlot(job, 3, 'queued')
    const fourth = await node.addSlot(job, 4, 'queued')
    assert.equal((await node.finish(running[1] as Held))?.id, third.id)
    assert.deepEqual([await node.stateOf(third), await node.stateOf(fourth)], ['pending', 'queued'])
    assert.equal((await node.claimOne(slotAt(5))).id, third.id)
    assert.equal((await node.finish(running[0] as Held))?.id, fourth.id)
  },

  'a cancellation and a reap of one that runs wake the next': async (world) => {
    const { node, job, running } = await full(world, 2)
    const third = await node.addSlot(job, 3, 'queued')
    const fourth = await node.addSlot(job, 4, 'queued')
    await node.cancel(running[0] as Held, { mode: 'force' })
    assert.equal(await node.stateOf(third), 'pending')
    await node.reap(running[1] as Held, { now: slotAt(90) })
    assert.equal(await node.stateOf(fourth), 'pending')
  },

  'a claim starts no more than there are places, when an update has taken some away': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxConcurrency: 3 })
    await node.startSlot(job, 1)
    const second = await node.addSlot(job, 2, 'pending')
    const third = await node.addSlot(job, 3, 'pending')
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 2 }), 'saved')
    assert.deepEqual(
      (await node.claim(slotAt(9))).claimed.map(({ id }) => id),
      [second.id],
    )
    assert.equal(await node.stateOf(third), 'queued')
  },

  'an update that adds places wakes up to two, and each end wakes another beside its own': async (world) => {
    const { node, job, running } = await full(world, 1)
    const queued: CreateItem[] = []
    for (let index = 2; index <= 7; index++) queued.push(await node.addSlot(job, index, 'queued'))
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 5 }), 'saved')
    const states = async () => await Promise.all(queued.map(async (item) => (await node.stateOf(item)).at(0)))
    assert.deepEqual(await states(), ['p', 'p', 'q', 'q', 'q', 'q'])
    await node.finish(running[0] as Held)
    assert.deepEqual(await states(), ['p', 'p', 'p', 'p', 'q', 'q'])
    assert.equal((await node.claim(slotAt(9))).claimed.length, 4)
    const [first] = (await node.history(job.id)).filter(({ state }) => state === 'running')
    await node.finish(first as Held)
    assert.deepEqual(await states(), ['c', 'r', 'r', 'r', 'p', 'p'])
  },

  'while others wait for a place, a new one does not go before them': async (world) => {
    const { node, job, running } = await full(world, 1)
    for (let index = 2; index <= 6; index++) await node.addSlot(job, index, 'queued')
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 9 }), 'saved')
    await node.finish(running[0] as Held)
    const head = await node.head(job.id)
    assert.deepEqual(await node.counts(job.id), { pending: 4, queued: 1, running: 0 })
    expectCreated(await node.create(slotItem({ ...job, version: head.version }, 7, { run: true })), 'queued')
  },

  'one that has waited for its time is queued when all places are taken, and starts when one is free': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxConcurrency: 2 })
    const items: CreateItem[] = []
    for (const key of ['a', 'b', 'c']) {
      items.push(await node.addTrigger(job, key, slotAt(1), 'pending', { dueAt: slotAt(3) }))
    }
    const claimed = (await node.claim(slotAt(3))).claimed
    assert.equal(claimed.length, 2)
    const [left] = items.filter(({ id }) => claimed.every((record) => record.id !== id))
    assert.equal(await node.stateOf(left as CreateItem), 'queued')
    await node.finish(claimed[0] as Held)
    assert.equal((await node.claimOne(slotAt(4))).id, left?.id)
  },

  'a recovery takes the places that are free, and queues the rest': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip', maxConcurrency: 2 })
    const entries = [1, 2, 3].map((index) => runEntry(job, index))
    const item = recoveryItem(job, 3, { expectedWatermark: (await node.head(job.id)).watermark, entries })
    expectCreated(expectOne(await node.createAll([item], slotAt(3))), 'queued')
    assert.deepEqual(await node.counts(job.id), { pending: 2, queued: 1, running: 0 })
  },

  'of a job with many places no more run than these, whatever asks to start': async (world) => {
    await eachFull(world, 'queue', async ({ node, job }, places) => {
      const beyond = await node.addSlot(job, places + 1, 'queued', { run: true })
      await node.addTrigger(job, 'asked', slotAt(places + 1), 'queued', { run: true })
      const last = places + 2
      const item = recoveryItem(job, last, { expectedWatermark: beyond.scheduledAt, entries: [runEntry(job, last)] })
      expectCreated(expectOne(await node.createAll([item], slotAt(last))), 'queued')
      assert.deepEqual((await node.claim(slotAt(99), { sweep: true })).claimed, [], `${places} places`)
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 3, running: places })
    })
  },

  'an end gives one of many places on, and no more than that': async (world) => {
    await eachFull(world, 'queue', async ({ node, job, running }, places) => {
      const first = await node.addSlot(job, places + 1, 'queued')
      const second = await node.addSlot(job, places + 2, 'queued')
      const third = await node.addSlot(job, places + 3, 'queued')
      assert.equal((await node.finish(itemAt(running, places - 1)))?.id, first.id)
      await node.cancel(itemAt(running, 0), { mode: 'force' })
      assert.deepEqual(await node.counts(job.id), { pending: 2, queued: 1, running: places - 2 })
      const claimed = (await node.claim(slotAt(99))).claimed.map(({ id }) => id)
      assert.deepEqual([claimed, await node.stateOf(third)], [[first.id, second.id], 'queued'])
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 1, running: places })
    })
  },

  'skip: what is beyond many places is skipped, and starts again once one is free': async (world) => {
    await eachFull(world, 'skip', async ({ node, job, running }, places) => {
      await node.addSlot(job, places + 1, 'skipped', { run: true })
      await node.finish(itemAt(running, 1))
      await node.startSlot(job, places + 2)
      await node.addSlot(job, places + 3, 'skipped', { run: true })
    })
  },

  'queue_one: one waits beyond many places': async (world) => {
    await eachFull(world, 'queue_one', async ({ node, job }, places) => {
      const first = await node.addSlot(job, places + 1, 'queued', { run: true })
      const second = await node.addSlot(job, places + 2, 'queued', { run: true })
      assert.deepEqual([await node.stateOf(first), await node.stateOf(second)], ['canceled', 'queued'])
    })
  },

  'one that has waited for its time is queued when many places are taken': async (world) => {
    await eachFull(world, 'queue', async ({ node, job, running }, places) => {
      const at = slotAt(places)
      const item = await node.addTrigger(job, 'later', at, 'pending', { dueAt: slotAt(50) })
      assert.deepEqual((await node.claim(slotAt(50))).claimed, [])
      assert.equal(await node.stateOf(item), 'queued')
      await node.finish(itemAt(running, 0), { now: slotAt(51) })
      assert.equal((await node.claimOne(slotAt(51))).id, item.id)
    })
  },

  'if more occurrences run than there are places, their ends wake none until a place is free': async (world) => {
    const { node, job, running } = await overfull(world, 8, 3, 'queue')
    const queued: CreateItem[] = []
    for (let index = 9; index <= 12; index++) queued.push(await node.addSlot(job, index, 'queued', { run: true }))
    for (let index = 0; index < 5; index++) {
      assert.equal(await node.finish(itemAt(running, index)), null, `${7 - index} run still`)
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 4, running: 7 - index })
    }
    assert.equal((await node.finish(itemAt(running, 5)))?.id, itemAt(queued, 0).id)
    assert.deepEqual(await node.counts(job.id), { pending: 1, queued: 3, running: 2 })
  },

  'where more run than there are places, nothing that is pending starts, and skip skips': async (world) => {
    const node = await TestNode.connect(world)
    const first = await node.createJob({ policy: 'allow' })
    for (let index = 1; index <= 6; index++) await node.startSlot(first, index)
    const pending = await node.addSlot(first, 7, 'pending')
    const change = { policy: 'skip', maxConcurrency: 5 } as const
    const { job } = expectOutcome(await node.replaceJob(first.id, change), 'saved')
    assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
    assert.equal(await node.stateOf(pending), 'queued')
    await node.addSlot(job, 8, 'skipped', { run: true })
    assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 1, running: 6 })
  },

  'an update wakes no occurrence if more occurrences run than there are places': async (world) => {
    const { node, job, running } = await overfull(world, 8, 3, 'queue')
    const queued = await node.addSlot(job, 9, 'queued', { run: true })
    expectOutcome(
      await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 7, fingerprint: 'print-3' }),
      'saved',
    )
    assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 1, running: 8 })
    assert.equal(await node.finish(itemAt(running, 0)), null)
    assert.equal((await node.finish(itemAt(running, 1)))?.id, queued.id)
  },
})
