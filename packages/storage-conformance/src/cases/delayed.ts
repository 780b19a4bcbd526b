import assert from 'node:assert/strict'
import type { OverlapPolicy } from '@jobistemer/core/storage'
import { recoveryItem, requestItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'cancel_running', 'allow']

/** Options of a request that is made at slot 1 and may start at slot `index`. */
const later = (index: number) => ({ dueAt: slotAt(index) })

/** Cases about triggers and replays that may not start before their `dueAt`. */
export const delayedCases: readonly StorageCase[] = caseGroup('delayed', {
  'under each overlap policy a trigger and a replay with a later time are pending and displace nothing': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    for (const policy of policies) {
      const job = await node.createJob({ name: policy, policy })
      const held = await node.startSlot(job, 1)
      for (const kind of ['trigger', 'replay'] as const) {
        const item = requestItem(job, kind, slotAt(1), { ...later(9), kind, run: true })
        const { reason, displaced, cancelRequested } = expectCreated(await node.create(item), 'pending')
        assert.deepEqual([reason, displaced, cancelRequested], ['delayed', [], []], policy)
        const { state, reason: stored, dueAt, token } = await node.record(item)
        assert.deepEqual([state, stored, dueAt, token], ['pending', 'delayed', slotAt(9), 0], policy)
      }
      assert.equal((await node.record(held)).cancelRequest, null, policy)
      await node.finish(held)
    }
  },

  'it keeps no other of its job from starting': async (world) => {
    const node = await TestNode.connect(world)
    for (const policy of policies) {
      const job = await node.createJob({ name: policy, policy })
      const item = await node.addTrigger(job, 'later', slotAt(1) - 1, 'pending', later(9))
      await node.finish(await node.startSlot(job, 1))
      await node.addTrigger(job, 'now', slotAt(1), 'running', { run: true })
      assert.equal(await node.stateOf(item), 'pending', policy)
    }
  },

  'no slot displaces a delayed occurrence': async (world) => {
    const node = await TestNode.connect(world)
    for (const policy of ['queue_one', 'cancel_running'] as const) {
      const job = await node.createJob({ name: policy, policy })
      const first = await node.addSlot(job, 1, 'pending')
      const item = await node.addTrigger(job, 'later', slotAt(1), 'pending', later(9))
      const { displaced } = expectCreated(await node.create(slotItem(job, 2)), 'pending')
      assert.deepEqual(
        displaced.map(({ id }) => id),
        [first.id],
        policy,
      )
      assert.equal(await node.stateOf(item), 'pending', policy)
    }
  },

  'the queue goes on past it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    await node.addTrigger(job, 'later', slotAt(1), 'pending', later(9))
    const next = await node.addSlot(job, 2, 'queued')
    assert.equal((await node.finish(held))?.id, next.id)
    assert.equal((await node.claimOne(slotAt(2))).id, next.id)
  },

  'what recovery creates does not wait for it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addTrigger(job, 'later', slotAt(1) - 1, 'pending', later(9))
    const recovery = recoveryItem(job, 1, { expectedWatermark: start, entries: [runEntry(job, 1)] })
    expectCreated(await node.create(recovery), 'pending')
  },

  'once it is due a claim starts it, and from then on it keeps others waiting': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addTrigger(job, 'later', slotAt(1) - 1, 'pending', { dueAt: slotAt(1) - 1 + 500 })
    assert.deepEqual((await node.claim(slotAt(1))).nextDueAt, slotAt(1) - 1 + 500)
    const claimed = await node.claimOne(slotAt(1) + 500)
    assert.deepEqual([claimed.id, claimed.reason], [item.id, null])
    await node.addSlot(job, 1, 'skipped', { run: true })
    // A started occurrence stays active, even if its owner hands it back with a later `dueAt`.
    await node.release(claimed, slotAt(5))
    await node.addSlot(job, 2, 'skipped', { run: true })
  },

  'while another one runs a claim makes it queued, and it is woken like any other': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const item = await node.addTrigger(job, 'later', slotAt(1) - 1, 'pending', later(2))
    const held = await node.startSlot(job, 1)
    assert.deepEqual((await node.claim(slotAt(2))).claimed, [])
    assert.deepEqual([await node.stateOf(item), (await node.record(item)).reason], ['queued', null])
    assert.equal((await node.finish(held))?.id, item.id)
    await node.addSlot(job, 2, 'queued', { run: true })
    assert.equal((await node.claimOne(slotAt(2))).id, item.id)
  },

  'while another one is pending a claim makes it queued, although its time is earlier': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addTrigger(job, 'later', slotAt(1) - 1, 'pending', later(2))
    const slot = await node.addSlot(job, 1, 'pending')
    assert.equal(expectOne((await node.claim(slotAt(2), { limit: 1 })).claimed).id, slot.id)
    assert.equal(await node.stateOf(item), 'queued')
  },

  'if several are due, one starts and the rest are queued': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const items = []
    for (const key of ['a', 'b', 'c']) items.push(await node.addTrigger(job, key, slotAt(1), 'pending', later(2)))
    const claimed = expectOne((await node.claim(slotAt(2))).claimed)
    const states = await Promise.all(items.map((item) => node.stateOf(item)))
    assert.deepEqual(states.sort(), ['queued', 'queued', 'running'])
    const woken = await node.finish(claimed)
    assert.equal((await node.claimOne(slotAt(2))).id, woken?.id)
  },

  'an update keeps it, a cancellation and a deletion end it, and none of it is left in the counts': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const first = await node.addTrigger(job, 'first', slotAt(1) - 1, 'pending', later(9))
    const second = await node.addTrigger(job, 'second', slotAt(1) - 1, 'pending', later(9))
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }, 'cancel'), 'saved')
    assert.deepEqual([await node.stateOf(first), await node.stateOf(second)], ['pending', 'pending'])
    expectOutcome(await node.cancel(first), 'canceled')
    const again = { ...job, version: 2 }
    const held = await node.startSlot(again, 1)
    await node.addSlot(again, 2, 'queued', { run: true })
    await node.finish(held)
    await node.addSlot(again, 3, 'queued', { run: true })
    await node.deleteJob(job.id)
    assert.equal(await node.stateOf(second), 'canceled')
    const { counts } = await node.storage.get({ counts: [job.id] })
    assert.deepEqual(counts, [{ pending: 0, queued: 0, running: 0 }])
  },

  'of a paused job it waits until that is resumed, and starts late': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id)
    const item = await node.addTrigger(job, 'later', slotAt(1), 'pending', later(2))
    assert.equal((await node.record(item)).reason, 'delayed')
    assert.deepEqual((await node.claim(slotAt(3))).claimed, [])
    await node.resume(job.id)
    assert.equal((await node.claimOne(slotAt(3))).id, item.id)
  },
})
