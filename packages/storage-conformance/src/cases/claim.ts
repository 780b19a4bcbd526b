import assert from 'node:assert/strict'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { executionTimeoutMs } from '../stage/create-items.ts'
import { expectOne, expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'

export const claimCases: readonly StorageCase[] = caseGroup('claim', {
  'a claimed occurrence runs for its owner with a new token and a deadline': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addSlot(job, 1, 'pending', { details: { data: [1] } })
    const before = await node.record(item)
    const now = slotAt(1) + 20
    const answer = await node.claim(now)
    const expected = {
      ...before,
      state: 'running',
      token: 1,
      owner: node.owner,
      startedAt: now,
      deadlineAt: now + executionTimeoutMs,
    }
    assert.deepEqual(answer, { claimed: [expected], cancelRequested: [], more: false, nextDueAt: null })
    assert.deepEqual(await node.record(item), expected)
  },

  'due occurrences are taken oldest first, over all jobs': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ policy: 'allow' })
    const beta = await node.createJob({ name: 'beta', policy: 'allow' })
    const gamma = await node.createJob({ name: 'gamma', policy: 'allow' })
    await node.addSlot(beta, 1, 'pending')
    await node.addSlot(beta, 2, 'pending')
    await node.addTrigger(gamma, 'x', slotAt(1) + 30, 'pending')
    await node.addTrigger(alpha, 'y', slotAt(1) - 30, 'pending')
    await node.addSlot(alpha, 1, 'pending')
    const { claimed } = await node.claim(slotAt(9))
    const order = claimed.map((record) => [record.scheduledAt, record.id])
    const sorted = [...order].sort(([at, id], [otherAt, otherId]) =>
      at === otherAt ? (String(id) < String(otherId) ? -1 : 1) : Number(at) - Number(otherAt),
    )
    assert.equal(order.length, 5)
    assert.deepEqual(order, sorted)
  },

  'no more than the limit are taken, the oldest, and the answer says that there are more': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3, 4, 5]) await node.addSlot(job, index, 'pending')
    const first = await node.claim(slotAt(5), { limit: 2 })
    assert.deepEqual(
      first.claimed.map((record) => record.scheduledAt),
      [slotAt(1), slotAt(2)],
    )
    assert.equal(first.more, true)
    const second = await node.claim(slotAt(5), { limit: 3 })
    assert.deepEqual(
      second.claimed.map((record) => record.scheduledAt),
      [slotAt(3), slotAt(4), slotAt(5)],
    )
    assert.equal(second.more, false)
  },

  'a claim takes only due occurrences, and answers when the next one is due': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const at = slotAt(1)
    await node.addTrigger(job, 'x', at, 'pending', { dueAt: at + 700 })
    await node.addTrigger(job, 'y', at, 'pending', { dueAt: at + 300 })
    await node.addTrigger(job, 'z', at, 'pending', { dueAt: at })
    const answer = await node.claim(at)
    assert.equal(expectOne(answer.claimed).dueAt, at)
    assert.equal(answer.nextDueAt, at + 300)
    assert.equal((await node.claim(at + 300)).nextDueAt, at + 700)
    assert.equal((await node.claim(at + 700)).nextDueAt, null)
  },

  'a limit of 0 claims nothing and still answers the rest': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const held = await node.startSlot(job, 1)
    await node.cancel(held, { reason: 'not needed' })
    const waiting = await node.addSlot(job, 2, 'pending')
    await node.addTrigger(job, 'x', slotAt(2), 'pending', { dueAt: slotAt(7) })
    const answer = await node.claim(slotAt(2), { limit: 0 })
    assert.deepEqual(answer.claimed, [])
    assert.equal(expectOne(answer.cancelRequested).id, held.id)
    assert.deepEqual([answer.more, answer.nextDueAt], [true, slotAt(7)])
    assert.equal(await node.stateOf(waiting), 'pending')
  },

  'a claim leaves out handler keys that the node cannot serve': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const alpha = await node.createJob({ handlerKey: 'old' })
    const beta = await node.createJob({ name: 'beta', handlerKey: 'new' })
    const first = await node.addSlot(alpha, 1, 'pending')
    const second = await node.addSlot(beta, 1, 'pending')
    const answer = await node.claim(slotAt(1), { exceptHandlerKeys: ['old', 'unknown'] })
    assert.equal(expectOne(answer.claimed).id, second.id)
    assert.equal(await node.stateOf(first), 'pending')
    assert.equal((await other.claimOne(slotAt(1))).id, first.id)
  },

  'occurrences for other nodes do not hide when the next one is due': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ handlerKey: 'old' })
    const beta = await node.createJob({ name: 'beta', handlerKey: 'new' })
    await node.addTrigger(alpha, 'x', slotAt(1), 'pending', { dueAt: slotAt(3) })
    await node.addTrigger(beta, 'x', slotAt(1), 'pending', { dueAt: slotAt(5) })
    const exceptOld = { exceptHandlerKeys: ['old'] }
    // `nextDueAt` may be slot 5, at which this node can claim an occurrence. It may also be slot 3, at which only other nodes
    // can claim an occurrence.
    const answered = (await node.claim(slotAt(1), exceptOld)).nextDueAt
    assert.ok(answered === slotAt(3) || answered === slotAt(5), `expected nextDueAt ${slotAt(5)}, received ${answered}`)
    assert.equal((await node.claim(slotAt(3), exceptOld)).nextDueAt, slotAt(5))
    assert.equal((await node.claim(slotAt(1))).nextDueAt, slotAt(3))
  },

  'queued occurrences are not claimed': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'queued')
    assert.deepEqual((await node.claim(slotAt(2))).claimed, [])
  },

  'a claim takes no running occurrence of another node': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    await node.claimOne(slotAt(1))
    assert.deepEqual((await other.claim(slotAt(1))).claimed, [])
    assert.deepEqual((await node.claim(slotAt(1))).claimed, [])
  },

  'one claim starts one occurrence of a job that must not overlap, and queues the rest': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3]) await node.addSlot(job, index, 'pending')
    expectOutcome(await node.replaceJob(job.id, { policy: 'skip' }), 'saved')
    const claimed = expectOne((await node.claim(slotAt(3))).claimed)
    assert.equal(claimed.scheduledAt, slotAt(1))
    assert.deepEqual(
      (await node.history(job.id)).map((record) => record.state),
      ['running', 'queued', 'queued'],
    )
    assert.equal((await node.finish(claimed))?.scheduledAt, slotAt(2))
  },

  'a pending occurrence whose job runs elsewhere goes back to queued, and is woken later': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'allow' })
    const held = await node.startSlot(job, 1)
    const waiting = await node.addSlot(job, 2, 'pending')
    await node.replaceJob(job.id, { policy: 'queue' })
    assert.deepEqual((await other.claim(slotAt(2))).claimed, [])
    assert.equal(await node.stateOf(waiting), 'queued')
    assert.equal((await node.finish(held))?.id, waiting.id)
    assert.equal((await other.claimOne(slotAt(2))).id, waiting.id)
  },

  'a claim returns requests to cancel to the owner, by node and incarnation': async (world) => {
    const node = await TestNode.connect(world)
    const reborn = await TestNode.connect(world, 'node-a', 'node-a-2')
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    assert.deepEqual((await node.claim(slotAt(1))).cancelRequested, [])
    await other.cancel(held, { reason: 'not needed' })
    const address = { id: held.id, jobId: job.id, scheduledAt: held.scheduledAt }
    assert.deepEqual((await node.claim(slotAt(1))).cancelRequested, [{ ...address, token: 1, reason: 'not needed' }])
    assert.deepEqual((await reborn.claim(slotAt(1))).cancelRequested, [])
    assert.deepEqual((await other.claim(slotAt(1))).cancelRequested, [])
    await node.finish(held)
    assert.deepEqual((await node.claim(slotAt(1))).cancelRequested, [])
  },

  'of several requests to cancel the oldest occurrence comes first': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const held = [await node.startSlot(job, 1), await node.startSlot(job, 2), await node.startSlot(job, 3)]
    for (const index of [1, 2, 0]) await node.cancel(itemAt(held, index))
    const { cancelRequested } = await node.claim(slotAt(3))
    assert.deepEqual(
      cancelRequested.map(({ scheduledAt }) => scheduledAt),
      [slotAt(1), slotAt(2), slotAt(3)],
    )
  },

  'many of one instant are found, whatever goes back to the queue before them': async (world) => {
    const node = await TestNode.connect(world)
    const delayed = { dueAt: slotAt(9) }
    const free: string[] = []
    for (let index = 1; index <= 14; index++) {
      const job = await node.createJob({ name: `job-${index}`, policy: 'queue' })
      const isFree = index > 12
      if (!isFree) await node.startSlot(job, 1)
      const { id } = await node.addTrigger(job, 'later', slotAt(2), 'pending', delayed)
      if (isFree) free.push(id)
    }
    const claimed: string[] = []
    for (let call = 1, hasMore = true; hasMore; call++) {
      assert.ok(call <= 50, 'the answer to the 50th claim still said that more are due')
      const answer = await node.claim(slotAt(9), { limit: 2 })
      claimed.push(...answer.claimed.map(({ id }) => id))
      hasMore = answer.more
    }
    assert.deepEqual(claimed.sort(), free.sort(), 'claims answered that no more are due, and left some that are')
  },

  'a sweep leaves a sound ledger as it is': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    assert.deepEqual((await node.claim(slotAt(2), { sweep: true })).claimed, [])
    assert.equal(await node.stateOf(queued), 'queued')
    await node.finish(held)
    assert.equal(expectOne((await node.claim(slotAt(2), { sweep: true })).claimed).id, queued.id)
  },

  'without pending occurrences the answer is empty': async (world) => {
    const node = await TestNode.connect(world)
    const empty = { claimed: [], cancelRequested: [], more: false, nextDueAt: null }
    assert.deepEqual(await node.claim(slotAt(1)), empty)
    await node.createJob()
    assert.deepEqual(await node.claim(slotAt(1), { sweep: true }), empty)
  },
})
