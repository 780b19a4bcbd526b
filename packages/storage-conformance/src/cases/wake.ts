import assert from 'node:assert/strict'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'

export const wakeCases: readonly StorageCase[] = caseGroup('wake', {
  'finishing wakes the next queued occurrence in the same step': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const woken = await node.finish(held)
    assert.deepEqual(woken, { id: queued.id, jobId: job.id, scheduledAt: queued.scheduledAt })
    const record = await node.record(queued)
    assert.deepEqual([record.state, record.token, record.owner], ['pending', 0, null])
    assert.deepEqual(await node.liveIds('queued'), [])
    assert.deepEqual(await node.liveIds('pending'), [queued.id])
  },

  'every way to end wakes the next one': async (world) => {
    const node = await TestNode.connect(world)
    for (const state of ['completed', 'completed_with_errors', 'failed', 'canceled'] as const) {
      const job = await node.createJob({ name: state, policy: 'queue' })
      const held = await node.startSlot(job, 1)
      const queued = await node.addSlot(job, 2, 'queued')
      const answer = await node.settle(held, { kind: 'finish', state, reason: null })
      assert.equal(expectOutcome(answer, 'ok').woken?.id, queued.id)
    }
  },

  'the queued occurrence with the least scheduled time is woken, whenever it was created': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const last = await node.addSlot(job, 2, 'queued')
    const middle = await node.addTrigger(job, 'middle', slotAt(1) + 20, 'queued')
    const first = await node.addTrigger(job, 'first', slotAt(1) + 10, 'queued')
    let running = held
    for (const expected of [first, middle, last]) {
      const woken = await node.finish(running)
      assert.equal(woken?.id, expected.id)
      running = await node.claimOne(slotAt(3))
      assert.equal(running.id, expected.id)
    }
    assert.equal(await node.finish(running), null)
  },

  'of queued occurrences with one scheduled time the least id is woken': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    let running = await node.startSlot(job, 1)
    const ids: string[] = [(await node.addSlot(job, 2, 'queued')).id]
    for (const key of ['a', 'b', 'c', 'd']) ids.push((await node.addTrigger(job, key, slotAt(2), 'queued')).id)
    for (const id of ids.sort()) {
      assert.equal((await node.finish(running))?.id, id)
      running = await node.claimOne(slotAt(3))
    }
  },

  'only one is woken at a time': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'queued')
    const third = await node.addSlot(job, 3, 'queued')
    await node.finish(held)
    assert.equal(await node.stateOf(third), 'queued')
    assert.equal((await node.claim(slotAt(4))).claimed.length, 1)
    assert.equal(await node.stateOf(third), 'queued')
  },

  'nothing is woken while another occurrence of the job is active': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const first = await node.startSlot(job, 1)
    const second = await node.startSlot(job, 2)
    await node.replaceJob(job.id, { policy: 'queue' })
    const item = slotItem({ ...job, version: 2 }, 3)
    expectCreated(await node.create(item), 'queued')
    assert.equal(await node.finish(first), null)
    assert.equal(await node.stateOf(item), 'queued')
    assert.equal((await node.finish(second))?.id, item.id)
  },

  'a woken occurrence stays behind when it is not due yet, and still blocks': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    // Slot 2 is created early, by another node whose clock is ahead.
    const early = await node.addSlot(job, 2, 'queued')
    assert.equal((await node.finish(held))?.id, early.id)
    assert.deepEqual((await node.claim(slotAt(2) - 1)).claimed, [])
    await node.addTrigger(job, 'by-hand', slotAt(2) - 1, 'queued')
    assert.equal((await node.claimOne(slotAt(2))).id, early.id)
  },

  'other jobs are not woken': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ policy: 'queue' })
    const beta = await node.createJob({ name: 'beta', policy: 'queue' })
    const held = await node.startSlot(alpha, 1)
    await node.startSlot(beta, 1)
    const queued = await node.addSlot(beta, 2, 'queued')
    assert.equal(await node.finish(held), null)
    assert.equal(await node.stateOf(queued), 'queued')
  },
})
