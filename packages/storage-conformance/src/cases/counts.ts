import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import type { JobRecord, LiveCounts } from '@jobistemer/core/storage'
import { exclusionItem, missedEntry, recoveryItem, requestItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

/** Asserts the live counts of the job and of all jobs. The test database must contain no other job. */
async function expectCounts(
  node: TestNode,
  job: Pick<JobRecord, 'id'>,
  [pending, queued, running]: readonly [number, number, number],
  when: string,
): Promise<void> {
  const expected: LiveCounts = { pending, queued, running }
  assert.deepEqual(await node.counts(job.id), expected, `of the job, ${when}`)
  assert.deepEqual(await node.counts('all'), expected, `of all, ${when}`)
}

export const countCases: readonly StorageCase[] = caseGroup('counts', {
  'are zeros for a job that is not there, and at first': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const none = { pending: 0, queued: 0, running: 0 }
    const { counts } = await node.storage.get({ counts: [jobId('never'), job.id, 'all'] })
    assert.deepEqual(counts, [none, none, none])
  },

  'of several jobs stand in the order of the request, beside those of all': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ policy: 'queue' })
    const beta = await node.createJob({ name: 'beta', policy: 'allow' })
    await node.startSlot(alpha, 1)
    await node.addSlot(alpha, 2, 'queued')
    await node.addSlot(alpha, 3, 'queued')
    for (const index of [1, 2, 3, 4]) await node.addSlot(beta, index, 'pending')
    await node.startSlot(beta, 5)
    const ofAlpha = { pending: 0, queued: 2, running: 1 }
    const ofBeta = { pending: 4, queued: 0, running: 1 }
    const ofAll = { pending: 4, queued: 2, running: 2 }
    const none = { pending: 0, queued: 0, running: 0 }
    const { counts, jobs } = await node.storage.get({
      jobs: [beta.id],
      counts: [beta.id, 'all', jobId('never'), alpha.id, beta.id],
    })
    assert.deepEqual(counts, [ofBeta, ofAll, none, ofAlpha, ofBeta])
    assert.equal(jobs[0]?.id, beta.id)
  },

  'follow an occurrence from its creation through claims and hand-backs to its end': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.addSlot(job, 1, 'pending')
    await expectCounts(node, job, [1, 0, 0], 'after a create')
    await node.addSlot(job, 2, 'queued')
    await expectCounts(node, job, [1, 1, 0], 'after a create that queues')
    const claimed = await node.claimOne(slotAt(2))
    await expectCounts(node, job, [0, 1, 1], 'after a claim')
    expectOutcome(await node.settle(claimed, { kind: 'progress' }), 'ok')
    await expectCounts(node, job, [0, 1, 1], 'after progress')
    await node.release(claimed, slotAt(2), { sequence: 2 })
    await expectCounts(node, job, [1, 1, 0], 'after a release')
    const again = await node.claimOne(slotAt(2))
    expectOutcome(await node.reap(again, { action: 'retry' }), 'reaped')
    await expectCounts(node, job, [1, 1, 0], 'after a reap that hands on')
    const third = await node.claimOne(slotAt(2))
    await node.finish(third)
    await expectCounts(node, job, [1, 0, 0], 'after a finish that wakes')
    await node.finish(third)
    await expectCounts(node, job, [1, 0, 0], 'after a finish that was said twice')
    expectOutcome(await node.reap(await node.claimOne(slotAt(2))), 'reaped')
    await expectCounts(node, job, [0, 0, 0], 'after a reap that ends')
  },

  'fall when an occurrence is canceled, whatever its state': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.addSlot(job, 3, 'queued')
    await node.cancel(queued)
    await expectCounts(node, job, [0, 1, 1], 'after the cancel of a queued one')
    await node.cancel(held)
    await expectCounts(node, job, [0, 1, 1], 'after a request to cancel')
    await node.cancel(held, { mode: 'force' })
    await expectCounts(node, job, [1, 0, 0], 'after a forced cancel, which wakes')
    await node.cancel(slotItem(job, 3))
    await node.cancel(slotItem(job, 3))
    await expectCounts(node, job, [0, 0, 0], 'after the cancel of a pending one, said twice')
  },

  'hold what lives, and nothing that was created final or did not come about': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 9), start)
    const entries = [missedEntry(job, 1, 2), runEntry(job, 3), runEntry(job, 4)]
    const recovery = recoveryItem(job, 4, { expectedWatermark: start, entries })
    await node.create(recovery, slotAt(4))
    await expectCounts(node, job, [1, 1, 0], 'after a recovery and an exclusion')
    await node.addSlot(job, 5, 'skipped')
    expectOutcome(await node.create(recovery, slotAt(4)), 'exists')
    expectOutcome(await node.create(slotItem(job, 5)), 'exists')
    expectOutcome(await node.create(slotItem(job, 8)), 'off_schedule')
    await expectCounts(node, job, [1, 1, 0], 'after creates that were refused or skipped')
  },

  'follow what one occurrence displaces and what a claim sends back to the queue': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue_one' })
    const held = await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'queued')
    await node.addSlot(job, 3, 'queued')
    await expectCounts(node, job, [0, 1, 1], 'after one displaced another')
    await node.finish(held)
    await node.cancel(slotItem(job, 3))
    await node.replaceJob(job.id, { policy: 'allow' })
    const version = 2
    for (const key of ['a', 'b'])
      expectOutcome(await node.create(requestItem(job, key, slotAt(3), { version })), 'created')
    await node.replaceJob(job.id, { policy: 'skip', fingerprint: 'print-3' })
    await expectCounts(node, job, [2, 0, 0], 'before the claim')
    await node.claimOne(slotAt(3))
    await expectCounts(node, job, [0, 1, 1], 'after a claim that met two')
  },

  'follow replaces, deletions and prunes': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.addSlot(job, 1, 'pending')
    await node.addSlot(job, 2, 'queued')
    await node.addTrigger(job, 'by-hand', slotAt(2), 'queued')
    expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }, 'cancel'), 'saved')
    await expectCounts(node, job, [1, 0, 0], 'after a replace that cancels slots and wakes a trigger')
    for (const key of ['a', 'b']) await node.create(requestItem(job, key, slotAt(2), { version: 2 }))
    await expectCounts(node, job, [1, 2, 0], 'after two more triggers')
    expectOutcome(await node.replaceJob(job.id, { policy: 'allow', fingerprint: 'print-3' }), 'saved')
    await expectCounts(node, job, [3, 0, 0], 'after a replace that lets them overlap')
    const held = await node.claim(slotAt(2), { limit: 1 })
    await node.pause(job.id)
    await expectCounts(node, job, [2, 0, 1], 'after a pause')
    await node.prune({ before: slotAt(9) })
    await expectCounts(node, job, [2, 0, 1], 'after a prune, which removes final occurrences')
    await node.deleteJob(job.id)
    await expectCounts(node, job, [0, 0, 1], 'after a deletion, which cancels waiting occurrences')
    for (const record of held.claimed) await node.finish(record)
    await node.prune({ now: slotAt(99), before: slotAt(90) })
    await expectCounts(node, job, [0, 0, 0], 'after all was over and pruned')
  },

  'go on from what still runs when a deleted job is created anew': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    await node.deleteJob(job.id)
    const content = jobContent({ policy: 'queue', nextAt: slotAt(2) })
    const { job: again } = expectOutcome(await node.saveJob({ kind: 'create', id: job.id, content }), 'saved')
    await node.addSlot(again, 2, 'queued')
    await expectCounts(node, job, [0, 1, 1], 'after it was created anew')
    await node.finish(held)
    await expectCounts(node, job, [1, 0, 0], 'after the end of the old one')
  },

  'let a queue be full at exactly its limit, and take one again when one has left it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxQueued: 2 })
    await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'queued')
    const queued = await node.addSlot(job, 3, 'queued')
    await node.addSlot(job, 4, 'skipped')
    await node.cancel(queued)
    await node.addSlot(job, 5, 'queued')
    await node.addSlot(job, 6, 'skipped')
    await expectCounts(node, job, [0, 2, 1], 'at the limit')
  },
})
