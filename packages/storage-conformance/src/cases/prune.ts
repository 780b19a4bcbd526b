import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { exclusionItem, missedEntry, recoveryItem, requestItem, slotAddress, slotItem } from '../stage/create-items.ts'
import { expectOutcome } from '../stage/expect.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'

/** Runs the slots `first` to `last` of a job, and ends each as completed. */
async function finishSlots(node: TestNode, job: JobRecord, first: number, last: number): Promise<void> {
  for (let index = first; index <= last; index++) await node.finish(await node.startSlot(job, index))
}

async function scheduledTimes(node: TestNode, job: JobRecord): Promise<readonly number[]> {
  return (await node.history(job.id)).map((record) => record.scheduledAt)
}

export const pruneCases: readonly StorageCase[] = caseGroup('prune', {
  'removes finished history before the instant, and raises the floor to the last removed slot': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 4)
    assert.deepEqual(await node.prune({ before: slotAt(3) }), { removed: 2, more: false })
    assert.deepEqual(await scheduledTimes(node, job), [slotAt(3), slotAt(4)])
    const head = await node.head(job.id)
    assert.deepEqual([head.pruneFloor, head.watermark, head.nextAt], [slotAt(2), slotAt(4), slotAt(5)])
    assert.equal(await node.find(slotAddress(job, 1).id), null)
  },

  'what was removed can never be created again, by whatever item': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 2)
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(2) - 5, 'running', { run: true })
    await node.finish({ id: trigger.id, jobId: job.id, scheduledAt: trigger.scheduledAt, token: 1 })
    assert.equal((await node.prune({ before: slotAt(3) })).removed, 3)
    const refused = { outcome: 'pruned', pruneFloor: slotAt(2) }
    for (const item of [
      slotItem(job, 1, { run: true }),
      slotItem(job, 2),
      trigger,
      requestItem(job, 'other', slotAt(2)),
      exclusionItem(job, 2),
      recoveryItem(job, 2, { expectedWatermark: slotAt(2), entries: [] }),
    ]) {
      assert.deepEqual(await node.create(item, slotAt(3)), refused, item.kind)
    }
    assert.deepEqual(await node.history(job.id), [])
    await node.startSlot(job, 3)
  },

  'the floor never sinks': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 3)
    await node.prune({ before: slotAt(4) })
    assert.deepEqual(await node.prune({ before: slotAt(2) }), { removed: 0, more: false })
    assert.deepEqual(await node.prune({ before: slotAt(4) }), { removed: 0, more: false })
    assert.equal((await node.head(job.id)).pruneFloor, slotAt(3))
  },

  'nothing to remove leaves the floor where it is': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 1)
    assert.deepEqual(await node.prune({ before: slotAt(1) }), { removed: 0, more: false })
    assert.equal((await node.head(job.id)).pruneFloor, null)
  },

  'live occurrences stay, however old they are': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const third = await node.addSlot(job, 3, 'queued')
    await node.cancel(third)
    assert.deepEqual(await node.prune({ before: slotAt(9) }), { removed: 1, more: false })
    assert.deepEqual(await scheduledTimes(node, job), [slotAt(1), slotAt(2)])
    assert.equal((await node.finish(held))?.id, queued.id)
    await node.finish(await node.claimOne(slotAt(9)))
    assert.equal((await node.prune({ before: slotAt(9) })).removed, 2)
    assert.equal((await node.head(job.id)).pruneFloor, slotAt(3))
  },

  'every final state is history': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 1)
    const held = await node.startSlot(job, 2)
    await node.addSlot(job, 3, 'skipped')
    expectOutcome(await node.reap(held), 'reaped')
    await node.cancel(await node.startSlot(job, 4), { mode: 'force' })
    const entries = [missedEntry(job, 5, 6)]
    await node.create(recoveryItem(job, 6, { expectedWatermark: slotAt(4), entries }))
    assert.deepEqual(await node.prune({ before: slotAt(9) }), { removed: 5, more: false })
    assert.deepEqual(await node.history(job.id), [])
  },

  'a range entry goes only when its last slot is old enough': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const entries = [missedEntry(job, 1, 5)]
    await node.create(recoveryItem(job, 5, { expectedWatermark: start, entries }))
    assert.equal((await node.prune({ before: slotAt(5) })).removed, 0)
    assert.equal((await node.prune({ before: slotAt(5) + 1 })).removed, 1)
    const floor = (await node.head(job.id)).pruneFloor
    assert.ok(floor !== null && floor >= slotAt(5), `the floor ${floor} lets a slot of the range come back`)
    expectOutcome(await node.create(slotItem(job, 4)), 'pruned')
  },

  'what may stay stays, although the floor is above it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const entries = [missedEntry(job, 1, 5)]
    await node.create(recoveryItem(job, 5, { expectedWatermark: start, entries }))
    for (const key of ['a', 'b', 'c']) {
      const { id } = await node.addTrigger(job, key, slotAt(2), 'running', { run: true })
      await node.finish({ id, jobId: job.id, scheduledAt: slotAt(2), token: 1 })
    }
    // `prune` removes all occurrences of one instant together, so it may exceed its limit of 2. It must keep the record of the
    // missed slots 1 to 5, because slot 5 lies after `before`.
    let removed = 0
    for (let calls = 0; ; calls++) {
      assert.ok(calls < 30, 'prune never came to an end')
      const answer = await node.prune({ before: slotAt(4), limit: 2 })
      removed += answer.removed
      if (removed > 0) assert.equal((await node.head(job.id)).pruneFloor, slotAt(2))
      const left = Array<number>(Math.max(0, 3 - removed)).fill(slotAt(2))
      assert.deepEqual(await scheduledTimes(node, job), [slotAt(1), ...left])
      if (!answer.more) break
    }
    assert.equal(removed, 3)
  },

  'an exclusion of a future slot stays, or the slot would run after all': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 1)
    await node.create(exclusionItem(job, 2), slotAt(1))
    assert.equal((await node.prune({ before: slotAt(9) })).removed, 1)
    expectOutcome(await node.create(slotItem(job, 2, { run: true })), 'exists')
    assert.equal((await node.head(job.id)).pruneFloor, slotAt(1))
  },

  'what lies between the last slot and the next one is history too': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 1)
    for (const at of [slotAt(1) + 5, slotAt(1) + 9, slotAt(2) + 5]) {
      const { id } = await node.addTrigger(job, 'by-hand', at, 'running', { run: true })
      await node.finish({ id, jobId: job.id, scheduledAt: at, token: 1 })
    }
    assert.deepEqual(await node.prune({ before: slotAt(9) }), { removed: 3, more: false })
    assert.deepEqual(await scheduledTimes(node, job), [slotAt(2) + 5])
    const head = await node.head(job.id)
    assert.deepEqual([head.pruneFloor, head.watermark, head.nextAt], [slotAt(1) + 9, slotAt(1), slotAt(2)])
    expectOutcome(await node.create(requestItem(job, 'by-hand', slotAt(1) + 5, { run: true })), 'pruned')
    await node.finish(await node.startSlot(job, 2))
    assert.equal((await node.prune({ before: slotAt(9) })).removed, 2)
  },

  'of a job whose schedule is over, all of the history goes': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.finish(await node.startSlot(job, 1, { nextAt: null }))
    const { id } = await node.addTrigger(job, 'by-hand', slotAt(4), 'running', { run: true })
    await node.finish({ id, jobId: job.id, scheduledAt: slotAt(4), token: 1 })
    assert.deepEqual(await node.prune({ before: slotAt(4) + 1 }), { removed: 2, more: false })
    const head = await node.head(job.id)
    assert.deepEqual([head.pruneFloor, head.watermark, head.nextAt], [slotAt(4), slotAt(1), null])
    await node.addTrigger(job, 'by-hand', slotAt(5), 'running', { run: true })
  },

  'the latest are kept as asked': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    await finishSlots(node, alpha, 1, 5)
    await finishSlots(node, beta, 1, 2)
    assert.deepEqual(await node.prune({ before: slotAt(9), keep: 2 }), { removed: 3, more: false })
    assert.deepEqual(await scheduledTimes(node, alpha), [slotAt(4), slotAt(5)])
    assert.deepEqual(await scheduledTimes(node, beta), [slotAt(1), slotAt(2)])
    assert.equal((await node.head(beta.id)).pruneFloor, null)
  },

  'one job can be pruned alone': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    await finishSlots(node, alpha, 1, 2)
    await finishSlots(node, beta, 1, 2)
    assert.deepEqual(await node.prune({ before: slotAt(9), jobId: beta.id }), { removed: 2, more: false })
    assert.equal((await node.history(alpha.id)).length, 2)
    assert.equal((await node.head(alpha.id)).pruneFloor, null)
    assert.deepEqual(await node.prune({ before: slotAt(9), jobId: jobId('never') }), { removed: 0, more: false })
  },

  'small steps lead to the same end, and each says whether there is more': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    await finishSlots(node, alpha, 1, 6)
    await finishSlots(node, beta, 1, 6)
    let removed = 0
    for (let calls = 0; ; calls++) {
      assert.ok(calls < 30, 'prune never came to an end')
      const answer = await node.prune({ before: slotAt(5), keep: 1, limit: 2 })
      removed += answer.removed
      for (const job of [alpha, beta]) {
        // After each call, the prune floor must cover every slot that was removed so far.
        const floor = (await node.head(job.id)).pruneFloor ?? start
        for (const at of [1, 2, 3, 4]) {
          const gone = (await node.find(slotAddress(job, at).id)) === null
          assert.ok(!gone || slotAt(at) <= floor, `slot ${at} was removed above the prune floor ${floor}`)
        }
      }
      if (!answer.more) break
    }
    assert.equal(removed, 8)
    assert.deepEqual(await scheduledTimes(node, alpha), [slotAt(5), slotAt(6)])
    assert.deepEqual(await scheduledTimes(node, beta), [slotAt(5), slotAt(6)])
  },

  'a prune removes a tombstone that is old enough and has no history left': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.deleteJob(job.id, slotAt(2))
    await node.prune({ before: slotAt(9) })
    assert.notEqual(await node.findHead(job.id), null, 'something of it still runs')
    await node.finish(held)
    await node.prune({ before: slotAt(2) })
    assert.notEqual(await node.findHead(job.id), null, 'it was deleted at that instant, not before')
    while ((await node.prune({ before: slotAt(2) + 1 })).more);
    assert.equal(await node.findHead(job.id), null)
    const { versions } = await node.storage.get({ versions: [{ jobId: job.id, version: 1 }] })
    assert.deepEqual(versions, [null])
    const again = await node.saveJob({ kind: 'create', id: job.id, content: jobContent() }, slotAt(9))
    assert.equal(expectOutcome(again, 'saved').job.version, 1)
  },

  'an exclusion that lay ahead of a deleted job goes with the rest of it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 3), start)
    await node.deleteJob(job.id, slotAt(1))
    assert.equal((await node.prune({ before: slotAt(3) })).removed, 0)
    assert.equal((await node.prune({ before: slotAt(3) + 1 })).removed, 1)
    while ((await node.prune({ before: slotAt(3) + 1 })).more);
    assert.equal(await node.findHead(job.id), null)
  },

  'a living job keeps its head and the version in force when all of its history was pruned': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 1)
    await node.replaceJob(job.id, {})
    const held = await node.startSlot({ ...job, version: 2 }, 2)
    await node.replaceJob(job.id, { fingerprint: 'print-3' })
    await node.prune({ before: slotAt(9) + minute })
    const versions = [1, 2, 3].map((version) => ({ jobId: job.id, version }))
    const found = (await node.storage.get({ versions })).versions.map((version) => version?.fingerprint ?? null)
    assert.deepEqual(found, [null, 'print-2', 'print-3'], 'version 2 still runs, nothing refers to version 1')
    assert.equal((await node.head(job.id)).version, 3)
    await node.finish(held)
  },

  'a prune whose answer got lost can be repeated': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await finishSlots(node, job, 1, 3)
    await node.prune({ before: slotAt(3), keep: 1 })
    const before = [await node.head(job.id), await node.history(job.id)]
    assert.deepEqual(await node.prune({ before: slotAt(3), keep: 1 }), { removed: 0, more: false })
    assert.deepEqual([await node.head(job.id), await node.history(job.id)], before)
  },
})
