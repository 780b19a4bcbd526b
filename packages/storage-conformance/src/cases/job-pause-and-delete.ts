import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { exclusionItem, requestItem, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'

export const pauseCases: readonly StorageCase[] = caseGroup('pause', {
  'a pause is stored in the head without a new version': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const answer = expectOutcome(await node.pause(job.id, start + 3), 'saved')
    const expected = {
      ...job,
      paused: { at: start + 3, reason: 'maintenance', actor: 'kim' },
      changedAt: start + 3,
    }
    assert.deepEqual(answer.job, expected)
    assert.deepEqual(await node.head(job.id), expected)
  },

  'pausing a paused job answers unchanged and keeps the earlier pause': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const first = expectOutcome(await node.pause(job.id, start + 3), 'saved')
    assert.deepEqual(expectOutcome(await node.pause(job.id, start + 9), 'unchanged').job, first.job)
    assert.deepEqual(await node.head(job.id), first.job)
  },

  'resuming lifts the pause, and doing so again answers unchanged': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id, start + 3)
    const resumed = expectOutcome(await node.resume(job.id, start + 5), 'saved')
    assert.deepEqual(resumed.job, { ...job, changedAt: start + 5 })
    assert.deepEqual(expectOutcome(await node.resume(job.id, start + 6), 'unchanged').job, resumed.job)
  },

  'pausing a job that is not there or was deleted answers absent': async (world) => {
    const node = await TestNode.connect(world)
    expectOutcome(await node.pause(jobId('alpha')), 'absent')
    const job = await node.createJob()
    await node.deleteJob(job.id)
    expectOutcome(await node.pause(job.id), 'absent')
    expectOutcome(await node.resume(job.id), 'absent')
  },

  'a slot inside a pause is consumed as skipped, so that resuming does not flood': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id)
    const item = slotItem(job, 1, { run: true })
    const created = expectCreated(await node.create(item), 'skipped')
    assert.deepEqual([created.reason, created.token], ['paused', 0])
    const record = await node.record(item)
    assert.deepEqual(
      [record.state, record.reason, record.finishedAt, record.owner, record.startedAt],
      ['skipped', 'paused', slotAt(1), null, null],
    )
    const head = await node.head(job.id)
    assert.deepEqual([head.watermark, head.nextAt], [slotAt(1), slotAt(2)])
    await node.resume(job.id, slotAt(2) - 1)
    await node.startSlot(job, 2)
  },

  'a trigger of a paused job waits, even when it asks to be started': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id)
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(1), 'pending', { run: true })
    const record = await node.record(trigger)
    assert.deepEqual([record.state, record.token, record.owner], ['pending', 0, null])
  },

  'claim passes over the occurrences of paused jobs until they are resumed': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const waiting = await node.addSlot(alpha, 1, 'pending')
    const other = await node.addSlot(beta, 1, 'pending')
    await node.pause(alpha.id)
    assert.equal((await node.claimOne(slotAt(1))).id, other.id)
    assert.deepEqual((await node.claim(slotAt(1))).claimed, [])
    assert.equal(await node.stateOf(waiting), 'pending')
    await node.resume(alpha.id)
    assert.equal((await node.claimOne(slotAt(1))).id, waiting.id)
  },

  'what runs when the job is paused can end, and wakes the next one': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.pause(job.id)
    assert.equal((await node.finish(held))?.id, queued.id)
    assert.equal(await node.stateOf(queued), 'pending')
    assert.deepEqual((await node.claim(slotAt(3))).claimed, [])
  },
})

export const deleteCases: readonly StorageCase[] = caseGroup('delete', {
  'a deleted job is kept as a tombstone': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const answer = expectOutcome(await node.deleteJob(job.id, start + 8), 'saved')
    const head = await node.head(job.id)
    assert.deepEqual([head.deletedAt, head.changedAt, head.version], [start + 8, start + 8, 1])
    assert.deepEqual(answer.job, head)
  },

  'deleting cancels all that waits, slots and triggers, and leaves what runs': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const slot = await node.addSlot(job, 2, 'queued')
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(2) + 1, 'queued')
    const now = slotAt(3)
    const answer = expectOutcome(await node.deleteJob(job.id, now), 'saved')
    assert.deepEqual(answer.canceled.map((address) => address.id).sort(), [slot.id, trigger.id].sort())
    for (const waiting of [slot, trigger]) {
      const record = await node.record(waiting)
      assert.deepEqual([record.state, record.reason, record.finishedAt], ['canceled', 'deleted', now])
    }
    assert.equal(await node.finish(held, { now }), null)
    assert.equal(await node.stateOf(held), 'completed')
  },

  'what a deleted job still ran is canceled when it is handed back': async (world) => {
    const node = await TestNode.connect(world)
    for (const how of ['release', 'retry'] as const) {
      const job = await node.createJob({ name: how })
      const held = await node.startSlot(job, 1)
      await node.deleteJob(job.id)
      const now = slotAt(2)
      if (how === 'release') await node.release(held, slotAt(3), { now })
      else expectOutcome(await node.reap(held, { action: 'retry', now }), 'reaped')
      const record = await node.record(held)
      assert.deepEqual([record.state, record.reason, record.finishedAt], ['canceled', 'deleted', now])
    }
  },

  'deleting cancels a pending occurrence, which no node claims any more': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const pending = await node.addSlot(job, 1, 'pending')
    await node.deleteJob(job.id)
    assert.equal(await node.stateOf(pending), 'canceled')
    assert.deepEqual((await node.claim(slotAt(1), { sweep: true })).claimed, [])
  },

  'a delete that expects another version answers conflict and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const answer = await node.saveJob({ kind: 'delete', id: job.id, expectedVersion: 2 })
    assert.deepEqual(expectOutcome(answer, 'conflict').job, job)
    assert.deepEqual(await node.head(job.id), job)
    expectOutcome(await node.saveJob({ kind: 'delete', id: job.id, expectedVersion: 1 }), 'saved')
  },

  'deleting, replacing or filling a job that is deleted or never was answers absent': async (world) => {
    const node = await TestNode.connect(world)
    expectOutcome(await node.deleteJob(jobId('never')), 'absent')
    const job = await node.createJob()
    await node.deleteJob(job.id)
    expectOutcome(await node.deleteJob(job.id), 'absent')
    expectOutcome(await node.replaceJob(job.id, {}), 'absent')
    expectOutcome(await node.create(slotItem(job, 1)), 'absent')
    expectOutcome(await node.create(requestItem(job, 'by-hand', slotAt(1))), 'absent')
    assert.deepEqual(await node.history(job.id), [])
  },

  'creating over a tombstone continues its versions, and its watermark never moves back': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.finish(await node.startSlot(job, 1))
    await node.startSlot(job, 2)
    await node.deleteJob(job.id, slotAt(2))
    const content = jobContent({ fingerprint: 'print-2', nextAt: slotAt(3) })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }, slotAt(1)), 'saved')
    assert.equal(answer.job.version, 2)
    assert.equal(answer.job.deletedAt, null)
    assert.equal(answer.job.watermark, slotAt(2))
    assert.equal(answer.job.nextAt, slotAt(3))
    assert.equal(answer.job.fingerprint, 'print-2')
    assert.deepEqual(await node.head(job.id), answer.job)
    assert.equal((await node.history(job.id)).length, 2)
  },

  'creating over a tombstone with a next slot that is decided answers conflict, and the tombstone': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.finish(await node.startSlot(job, 1))
    await node.finish(await node.startSlot(job, 2))
    await node.deleteJob(job.id, slotAt(2))
    const content = jobContent({ fingerprint: 'print-2', nextAt: slotAt(2) })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }, slotAt(1)), 'conflict')
    assert.equal(answer.job.deletedAt, slotAt(2))
    assert.deepEqual(await node.head(job.id), answer.job)
  },

  'creating over a tombstone later starts its watermark at now': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.deleteJob(job.id, slotAt(1))
    const content = jobContent({ nextAt: slotAt(8) })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }, slotAt(7)), 'saved')
    assert.equal(answer.job.watermark, slotAt(7))
    assert.equal(answer.job.createdAt, slotAt(7))
    await node.startSlot(answer.job, 8)
  },

  'creating over a tombstone starts above its prune floor, where nothing can be created again': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.startSlot(job, 1)
    await node.create(exclusionItem(job, 3), slotAt(1))
    await node.deleteJob(job.id, slotAt(1))
    assert.equal((await node.prune({ before: slotAt(3) + 1 })).removed, 1)
    const content = jobContent({ nextAt: slotAt(4) })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }, slotAt(2)), 'saved')
    assert.deepEqual([answer.job.pruneFloor, answer.job.watermark], [slotAt(3), slotAt(3)])
    expectOutcome(await node.create(slotItem(answer.job, 3)), 'pruned')
  },

  'what ran when the job was deleted still blocks the job that is created in its place': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.deleteJob(job.id)
    const content = jobContent({ nextAt: slotAt(2) })
    const { job: again } = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }), 'saved')
    const created = expectCreated(await node.create(slotItem(again, 2, { run: true })), 'skipped')
    assert.equal(created.reason, 'overlap')
    await node.finish(held)
    await node.startSlot(again, 3)
  },
})
