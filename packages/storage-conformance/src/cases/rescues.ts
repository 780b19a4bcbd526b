import assert from 'node:assert/strict'
import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { readLive } from '../ledger/read-ledger.ts'
import { missedEntry, recoveryItem, runEntry, slotAddress } from '../stage/create-items.ts'
import { expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

/** Reaps a running occurrence with the action `retry`, so that it becomes pending again. */
async function rescue(node: TestNode, record: OccurrenceRecord): Promise<void> {
  const { id, jobId, scheduledAt, token, sequence } = record
  const answer = await node.reap({ id, jobId, scheduledAt, token }, { sequence, action: 'retry' })
  expectOutcome(answer, 'reaped')
}

export const rescueCases: readonly StorageCase[] = caseGroup('rescues', {
  'are 0 at first, however an occurrence comes about': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const entries = [missedEntry(job, 1, 2), runEntry(job, 3)]
    await node.create(recoveryItem(job, 3, { expectedWatermark: start, entries }), slotAt(3))
    await node.addSlot(job, 4, 'queued')
    await node.addTrigger(job, 'by-hand', slotAt(4), 'queued')
    const history = await node.history(job.id)
    assert.deepEqual(
      history.map(({ rescues }) => rescues),
      [0, 0, 0, 0],
    )
    assert.equal((await node.claimOne(slotAt(4))).rescues, 0)
  },

  'grow by one with each reap that hands on, and are kept by claims and by the end': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    for (const rescues of [0, 1, 2]) {
      const claimed = await node.claimOne(slotAt(1))
      assert.equal(claimed.rescues, rescues, 'what a claim answers')
      await rescue(other, claimed)
      assert.equal((await node.record(claimed)).rescues, rescues + 1, 'after the reap')
    }
    const claimed = await other.claimOne(slotAt(1))
    expectOutcome(await other.settle(claimed, { kind: 'progress' }, { sequence: 1 }), 'ok')
    assert.equal((await node.record(claimed)).rescues, 3, 'after progress')
    await other.finish(claimed, { sequence: 2 })
    assert.equal((await node.record(claimed)).rescues, 3, 'after the end')
  },

  'are not raised when an owner hands an occurrence back': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1))
    assert.equal((await node.record(held)).rescues, 0)
    const again = await node.claimOne(slotAt(1))
    await rescue(node, again)
    await node.release(await node.claimOne(slotAt(1)), slotAt(1))
    assert.equal((await node.record(held)).rescues, 1)
  },

  'are raised neither by a reap that ends the occurrence, nor by one that lost, nor when the job is deleted': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const failed = await node.startSlot(job, 1)
    expectOutcome(await node.reap(failed, { action: 'fail' }), 'reaped')
    const alive = await node.startSlot(job, 2)
    expectOutcome(await node.reap(alive, { action: 'retry', token: 9 }), 'lost')
    const orphan = await node.startSlot(job, 3)
    await node.deleteJob(job.id, slotAt(3))
    expectOutcome(await node.reap(orphan, { action: 'retry' }), 'reaped')
    assert.equal(await node.stateOf(orphan), 'canceled')
    for (const held of [failed, alive, orphan]) assert.equal((await node.record(held)).rescues, 0)
  },

  'are listed with the history of a job and with what is live': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    await node.addSlot(job, 1, 'pending')
    await rescue(node, await node.claimOne(slotAt(1)))
    assert.equal(itemAt(await readLive(node.storage, 'pending'), 0).rescues, 1, 'pending')
    await node.claimOne(slotAt(1))
    await node.startSlot(job, 2)
    const running = await readLive(node.storage, 'running')
    assert.deepEqual(
      running.map(({ scheduledAt, rescues }) => [scheduledAt, rescues]).sort(),
      [
        [slotAt(1), 1],
        [slotAt(2), 0],
      ],
      'running',
    )
    for (const runs of [true, false]) {
      const { items } = await node.storage.listOccurrences({
        kind: 'job',
        jobId: job.id,
        order: 'descending',
        runs,
        limit: 9,
        cursor: null,
      })
      assert.deepEqual(
        items.map(({ id, rescues }) => [id, rescues]),
        [
          [slotAddress(job, 2).id, 0],
          [slotAddress(job, 1).id, 1],
        ],
        'the history',
      )
    }
  },
})
