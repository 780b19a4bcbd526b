import assert from 'node:assert/strict'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { second, slotAt, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'

/** The end of the pause. Slots 1 and 2 are inside the pause, and slot 3 is its end. */
const until = slotAt(3)

export const pauseWithEndCases: readonly StorageCase[] = caseGroup('pause with an end', {
  'is kept in the head, also when it is over': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id, start + 3, until)
    const expected = { at: start + 3, until, reason: 'maintenance', actor: 'kim' }
    assert.deepEqual((await node.head(job.id)).paused, expected)
    await node.claim(until)
    assert.deepEqual((await node.head(job.id)).paused, expected)
  },

  'no claim takes a pending occurrence before the end, and claims answer that instant': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const waiting = await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1), until)
    const early = await node.claim(until - 1)
    assert.deepEqual([early.claimed, early.more, early.nextDueAt], [[], false, until])
    assert.equal((await node.claimOne(until)).id, waiting.id)
  },

  'a claim with limit 0 answers the end as the next instant, although the occurrence has long been due': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1), until)
    const answer = await node.claim(slotAt(2), { limit: 0 })
    assert.deepEqual([answer.claimed, answer.nextDueAt], [[], until])
  },

  'holds also for the claim of a node whose clock is behind': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const waiting = await node.addSlot(alpha, 1, 'pending')
    const other = await node.addSlot(beta, 1, 'pending')
    await node.pause(alpha.id, slotAt(1), until)
    assert.equal((await node.claim(until, { limit: 0 })).claimed.length, 0)
    const early = await node.claim(until - second)
    assert.deepEqual([early.claimed.map(({ id }) => id), early.nextDueAt], [[other.id], until])
    assert.equal((await node.claimOne(until)).id, waiting.id)
  },

  'an occurrence that is due after the end is due at its own time': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.pause(job.id, slotAt(1), until)
    await node.release(held, until + second)
    const answer = await node.claim(until)
    assert.deepEqual([answer.claimed, answer.nextDueAt], [[], until + second])
    assert.equal((await node.claimOne(until + second)).id, held.id)
  },

  'a slot before its end is skipped and one at its end starts, however late they are created': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    await node.pause(job.id, start, until)
    const late = slotAt(9)
    for (const index of [1, 2]) {
      const item = slotItem(job, index, { run: true })
      const { reason } = expectCreated(await node.create(item, late), 'skipped')
      assert.equal(reason, 'paused')
    }
    expectCreated(await node.create(slotItem(job, 3, { run: true }), late), 'running')
    expectCreated(await node.create(slotItem(job, 4, { run: true }), late), 'running')
  },

  'a slot at its end that a node creates before it waits until then': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id, start, slotAt(1))
    const item = slotItem(job, 1, { run: true })
    expectCreated(await node.create(item, slotAt(1) - second), 'pending')
    assert.deepEqual((await node.claim(slotAt(1) - second)).claimed, [])
    assert.equal((await node.claimOne(slotAt(1))).id, item.id)
  },

  'a trigger waits for its end, and starts at once after it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    await node.pause(job.id, start, until)
    const waiting = await node.addTrigger(job, 'before', slotAt(1), 'pending', { run: true })
    assert.deepEqual(await node.counts(job.id), { pending: 1, queued: 0, running: 0 })
    const answer = await node.claim(slotAt(1))
    assert.deepEqual([answer.claimed, answer.nextDueAt], [[], until])
    await node.addTrigger(job, 'after', until, 'running', { run: true })
    assert.equal((await node.claimOne(until)).id, waiting.id)
  },

  'what is woken during it waits for its end': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.pause(job.id, slotAt(2), until)
    assert.equal((await node.finish(held, { now: slotAt(2) }))?.id, queued.id)
    assert.deepEqual((await node.claim(until - 1)).claimed, [])
    assert.equal((await node.claimOne(until)).id, queued.id)
  },

  'the pause that holds longer wins': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const waiting = await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1), until)
    for (const sooner of [until - second, until]) {
      const kept = expectOutcome(await node.pause(job.id, slotAt(1) + 1, sooner), 'unchanged').job
      assert.deepEqual([kept.paused?.at, kept.paused?.until], [slotAt(1), until])
    }
    const later = until + second
    const longer = expectOutcome(await node.pause(job.id, slotAt(1) + 2, later), 'saved').job
    assert.deepEqual([longer.paused?.at, longer.paused?.until, longer.changedAt], [slotAt(1) + 2, later, slotAt(1) + 2])
    const answer = await node.claim(until)
    assert.deepEqual([answer.claimed, answer.nextDueAt], [[], later])
    const endless = expectOutcome(await node.pause(job.id, slotAt(1) + 3), 'saved').job
    assert.equal(endless.paused?.until, undefined)
    expectOutcome(await node.pause(job.id, slotAt(1) + 4, later), 'unchanged')
    assert.deepEqual((await node.claim(later)).claimed, [])
    expectOutcome(await node.resume(job.id, later), 'saved')
    assert.equal((await node.claimOne(later)).id, waiting.id)
  },

  'resuming lifts it at once, and one that is over answers unchanged': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const waiting = await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1), until)
    const { job: resumed } = expectOutcome(await node.resume(job.id, until - 1), 'saved')
    assert.equal(resumed.paused, null)
    assert.equal((await node.claimOne(until - 1)).id, waiting.id)
    await node.pause(job.id, until - 1, until)
    const { job: over } = expectOutcome(await node.resume(job.id, until), 'unchanged')
    assert.equal(over.paused?.until, until)
  },

  'that holds nothing, and says who has lifted the one before it, is kept, and gives way to the next': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const waiting = await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1))
    await node.resume(job.id, slotAt(1) + 1)
    const lifted = { at: slotAt(1) + 1, reason: 'there is room', actor: 'kim' }
    const paused = { at: lifted.at, until: 1, reason: null, actor: null, lifted }
    const save = () => node.saveJob({ kind: 'pause', id: job.id, paused }, slotAt(1) + 2)
    assert.deepEqual(expectOutcome(await save(), 'saved').job.paused, paused)
    expectOutcome(await save(), 'unchanged')
    assert.equal((await node.claimOne(slotAt(1) + 2)).id, waiting.id)
    assert.deepEqual((await node.head(job.id)).paused, paused)
    expectOutcome(await node.resume(job.id, slotAt(1) + 3), 'unchanged')
    assert.equal(expectOutcome(await node.pause(job.id, slotAt(1) + 4), 'saved').job.paused?.lifted, undefined)
    expectOutcome(await save(), 'unchanged')
  },

  'another one can follow it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const waiting = await node.addSlot(job, 1, 'pending')
    await node.pause(job.id, slotAt(1), until)
    await node.claim(until, { limit: 0 })
    expectOutcome(await node.pause(job.id, until, slotAt(5)), 'saved')
    const answer = await node.claim(until)
    assert.deepEqual([answer.claimed, answer.nextDueAt], [[], slotAt(5)])
    assert.equal((await node.claimOne(slotAt(5))).id, waiting.id)
  },
})
