import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import type { OverlapPolicy, TaskRunRecord } from '@jobistemer/core/storage'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { requestId, requestItem, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'

export const overlapCases: readonly StorageCase[] = caseGroup('overlap', {
  'skip: a slot that meets a running one is recorded as skipped and consumed': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip' })
    await node.startSlot(job, 1)
    const item = slotItem(job, 2, { run: true })
    const created = expectCreated(await node.create(item), 'skipped')
    assert.deepEqual([created.reason, created.token], ['overlap', 0])
    const record = await node.record(item)
    assert.deepEqual(
      [record.state, record.reason, record.finishedAt, record.startedAt, record.owner],
      ['skipped', 'overlap', slotAt(2), null, null],
    )
    assert.deepEqual(record.runs, [])
    const head = await node.head(job.id)
    assert.deepEqual([head.watermark, head.nextAt], [slotAt(2), slotAt(3)])
  },

  'skip: a pending occurrence is active too': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip' })
    await node.addSlot(job, 1, 'pending')
    await node.addSlot(job, 2, 'skipped', { run: true })
  },

  'skip: once the active one has ended the next slot starts': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip' })
    const held = await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'skipped', { run: true })
    await node.finish(held)
    await node.startSlot(job, 3)
  },

  'skip: a request that is skipped is recorded under its other id, once, and its own stays free': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip' })
    const held = await node.startSlot(job, 1)
    const skippedId = requestId(job, 'order, skipped', slotAt(1))
    const item = requestItem(job, 'order', slotAt(1), { run: true, skippedId })
    // Sends the call twice, as a node does after a lost answer.
    for (let time = 0; time < 2; time++) {
      const created = expectCreated(await node.create(item), 'skipped')
      assert.deepEqual([created.reason, created.token], ['overlap', 0])
    }
    assert.equal(await node.find(item.id), null)
    const skipped = await node.record({ id: skippedId })
    assert.deepEqual([skipped.state, skipped.kind, skipped.details], ['skipped', 'trigger', item.details])
    assert.equal((await node.history(job.id)).length, 2)
    await node.finish(held)
    expectCreated(await node.create(item), 'running')
    assert.equal(await node.stateOf(item), 'running')
    expectOutcome(await node.create(item), 'exists')
  },

  'queue: an occurrence that meets an active one is queued, without an owner': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.startSlot(job, 1)
    for (const index of [2, 3]) {
      const item = await node.addSlot(job, index, 'queued', { run: true })
      const record = await node.record(item)
      assert.deepEqual(
        [record.state, record.token, record.owner, record.startedAt, record.deadlineAt, record.finishedAt],
        ['queued', 0, null, null, null, null],
      )
      assert.deepEqual(record.runs, [])
    }
    assert.equal((await node.head(job.id)).watermark, slotAt(3))
  },

  'queue: a pending occurrence is active too': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.addSlot(job, 1, 'pending')
    await node.addSlot(job, 2, 'queued', { run: true })
  },

  'queue: a slot beyond maxQueued is skipped with the reason queue_full': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxQueued: 2 })
    const held = await node.startSlot(job, 1)
    await node.addSlot(job, 2, 'queued')
    await node.addSlot(job, 3, 'queued')
    const full = slotItem(job, 4)
    assert.equal(expectCreated(await node.create(full), 'skipped').reason, 'queue_full')
    assert.equal((await node.record(full)).finishedAt, slotAt(4))
    await node.finish(held)
    await node.addSlot(job, 5, 'queued')
  },

  'queue: a request beyond maxQueued is refused with the limit, and nothing of it is stored': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxQueued: 2 })
    const held = await node.startSlot(job, 1)
    const refused = { outcome: 'queue_full', maxQueued: 2 }
    const [first, second, third, slot] = await node.createAll(
      [
        requestItem(job, 'first', slotAt(2), { run: true }),
        requestItem(job, 'second', slotAt(2), { run: true }),
        requestItem(job, 'third', slotAt(2), { run: true, skippedId: requestId(job, 'third, skipped', slotAt(2)) }),
        slotItem(job, 2),
      ],
      slotAt(2),
    )
    expectCreated(first, 'queued')
    expectCreated(second, 'queued')
    assert.deepEqual(third, refused)
    assert.equal(expectCreated(slot, 'skipped').reason, 'queue_full')
    const replay = requestItem(job, 'again', slotAt(3), { kind: 'replay' })
    assert.deepEqual(await node.create(replay), refused)
    assert.equal((await node.history(job.id)).length, 4)
    await node.finish(held)
    expectCreated(await node.create(requestItem(job, 'third', slotAt(4), { run: true })), 'queued')
  },

  'queue_one: the newest takes the place of all that wait': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue_one' })
    const held = await node.startSlot(job, 1)
    const first = await node.addSlot(job, 2, 'queued')
    const second = slotItem(job, 3, { run: true })
    const created = expectCreated(await node.create(second), 'queued')
    assert.deepEqual(created.displaced, [{ id: first.id, jobId: job.id, scheduledAt: first.scheduledAt }])
    assert.deepEqual(created.cancelRequested, [])
    const displaced = await node.record(first)
    assert.deepEqual([displaced.state, displaced.reason, displaced.finishedAt], ['canceled', 'displaced', slotAt(3)])
    assert.equal((await node.record(held)).cancelRequest, null)
    assert.equal((await node.finish(held))?.id, second.id)
  },

  'queue_one: a pending one is displaced, and the newest takes its turn': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue_one' })
    const first = await node.addSlot(job, 1, 'pending')
    const second = slotItem(job, 2)
    const created = expectCreated(await node.create(second), 'pending')
    assert.equal(expectOne(created.displaced).id, first.id)
    assert.equal(await node.stateOf(first), 'canceled')
    const third = slotItem(job, 3, { run: true })
    assert.equal(expectOne(expectCreated(await node.create(third), 'running').displaced).id, second.id)
    assert.equal(await node.stateOf(second), 'canceled')
  },

  'cancel_running: the running one is asked to cancel and the new one is queued behind it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'cancel_running' })
    const held = await node.startSlot(job, 1)
    const item = slotItem(job, 2, { run: true })
    const created = expectCreated(await node.create(item), 'queued')
    const address = { id: held.id, jobId: job.id, scheduledAt: held.scheduledAt }
    assert.deepEqual(created.cancelRequested, [{ ...address, token: held.token, reason: 'displaced' }])
    assert.deepEqual(created.displaced, [])
    const record = await node.record(held)
    assert.equal(record.state, 'running')
    assert.deepEqual(record.cancelRequest, { at: slotAt(2), reason: 'displaced', actor: null })
    assert.equal((await node.finish(held))?.id, item.id)
  },

  'cancel_running: a slot displaces waiting occurrences, and an earlier cancel request stands': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'cancel_running' })
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.cancel(held, { reason: 'by hand' }), 'requested')
    const first = await node.addSlot(job, 2, 'queued')
    const second = slotItem(job, 3)
    const created = expectCreated(await node.create(second), 'queued')
    assert.equal(expectOne(created.displaced).id, first.id)
    assert.equal(await node.stateOf(first), 'canceled')
    assert.deepEqual((await node.record(held)).cancelRequest, { at: slotAt(1), reason: 'by hand', actor: 'kim' })
  },

  'cancel_running: with nothing running the new one starts at once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'cancel_running' })
    const first = await node.addSlot(job, 1, 'pending')
    const created = expectCreated(await node.create(slotItem(job, 2, { run: true })), 'running')
    assert.equal(expectOne(created.displaced).id, first.id)
    assert.deepEqual(created.cancelRequested, [])
  },

  'allow: any number of occurrences of a job run at once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3]) await node.startSlot(job, index)
    await node.addSlot(job, 4, 'pending')
    assert.equal((await node.claimOne(slotAt(4))).scheduledAt, slotAt(4))
    assert.equal((await node.liveIds('running')).length, 4)
  },

  'jobs do not block each other': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    await node.startSlot(alpha, 1)
    await node.startSlot(beta, 1)
  },

  'the slots of a job that come in one call meet each other': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', maxQueued: 1 })
    const items = [1, 2, 3].map((index) => slotItem(job, index, { run: true }))
    const answers = await node.createAll(items, slotAt(3))
    expectCreated(answers[0], 'running')
    expectCreated(answers[1], 'queued')
    assert.equal(expectCreated(answers[2], 'skipped').reason, 'queue_full')
  },
})

const outcomes: Readonly<Record<OverlapPolicy, string>> = {
  skip: 'skipped',
  queue: 'queued',
  queue_one: 'queued',
  cancel_running: 'queued',
  allow: 'running',
}

export const requestedCases: readonly StorageCase[] = caseGroup('triggers', {
  'a trigger is created outside the schedule and starts in the same step': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = requestItem(job, 'by-hand', slotAt(1) + 5, {
      run: true,
      details: { requestKey: 'by-hand', data: { why: 'now' }, tasks: ['work'], requestActor: 'kim' },
    })
    assert.equal(expectCreated(await node.create(item), 'running').token, 1)
    const record = await node.record(item)
    assert.deepEqual([record.kind, record.owner, record.startedAt], ['trigger', node.owner, slotAt(1) + 5])
    assert.deepEqual(record.details, item.details)
    assert.deepEqual(await node.head(job.id), job)
  },

  'a replay is stored as a replay, with the id of its original': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.finish(held)
    const details = { replayOf: held.id, requestKey: 'again', requestReason: 'disk was full' }
    const item = requestItem(job, 'again', slotAt(1) + 5, { kind: 'replay', details })
    expectCreated(await node.create(item), 'pending')
    const record = await node.record(item)
    assert.deepEqual([record.kind, record.details], ['replay', details])
  },

  'what traces a trigger is kept with it, and what traces its run with the attempts': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const details = { trace: { traceparent, tracestate: `vendor=${'x'.repeat(505)}` } }
    const item = requestItem(job, 'by-hand', slotAt(1) + 5, { details })
    expectCreated(await node.create(item), 'pending')
    const held = await node.claimOne(slotAt(1) + 5)
    assert.deepEqual(held.details, details)
    const attempt = { number: 1, state: 'running', startedAt: slotAt(1) + 5, endedAt: null, traceparent } as const
    const runs: readonly TaskRunRecord[] = [{ task: 'work', state: 'running', attempts: [attempt] }]
    expectOutcome(await node.settle(held, { kind: 'progress' }, { runs, sequence: 1 }), 'ok')
    const running = await node.record(item)
    assert.deepEqual([running.details, running.runs], [details, runs])
    expectOutcome(await node.reap(held, { runs, sequence: 1, action: 'retry' }), 'reaped')
    const taken = await node.claimOne(slotAt(1) + 6)
    assert.deepEqual([taken.details, taken.runs], [details, runs])
  },

  'a repeated trigger answers exists, even after it has ended': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addTrigger(job, 'by-hand', slotAt(1), 'pending')
    expectOutcome(await node.create(item), 'exists')
    await node.finish(await node.claimOne(slotAt(1)))
    const answer = expectOutcome(await node.create(item), 'exists')
    assert.deepEqual([answer.state, answer.watermark, answer.nextAt], ['completed', job.watermark, job.nextAt])
  },

  'a trigger that is repeated at another time is found by its id': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addTrigger(job, 'by-hand', slotAt(2), 'pending')
    for (const at of [slotAt(1), slotAt(3)]) expectOutcome(await node.create({ ...item, scheduledAt: at }), 'exists')
    await node.finish(await node.claimOne(slotAt(3)))
    for (const at of [slotAt(1), slotAt(4)]) expectOutcome(await node.create({ ...item, scheduledAt: at }), 'exists')
    assert.equal((await node.history(job.id)).length, 1)
  },

  'a delayed trigger waits until it is due, whatever it asks': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const at = slotAt(1)
    const item = await node.addTrigger(job, 'later', at, 'pending', { dueAt: at + 500, run: true })
    const early = await node.claim(at + 499)
    assert.deepEqual([early.claimed, early.nextDueAt], [[], at + 500])
    assert.equal((await node.claimOne(at + 500)).id, item.id)
  },

  'a trigger and a slot of one instant are two occurrences': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const slot = await node.addSlot(job, 1, 'pending')
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(1), 'queued')
    assert.deepEqual(
      (await node.history(job.id)).map((record) => record.id),
      [slot.id, trigger.id].sort(),
    )
  },

  'triggers and replays stand under the overlap rule of the job': async (world) => {
    const node = await TestNode.connect(world)
    for (const [policy, state] of Object.entries(outcomes) as [OverlapPolicy, 'skipped' | 'queued' | 'running'][]) {
      const job = await node.createJob({ name: policy, policy })
      const held = await node.startSlot(job, 1)
      for (const kind of ['trigger', 'replay'] as const) {
        const item = requestItem(job, kind, slotAt(2), { kind, run: true })
        const created = expectCreated(await node.create(item), state)
        assert.equal(created.reason, state === 'skipped' ? 'overlap' : null)
      }
      assert.equal((await node.record(held)).cancelRequest !== null, policy === 'cancel_running')
    }
  },

  'a trigger that carries another version is refused': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.replaceJob(job.id, {})
    const item = requestItem(job, 'by-hand', slotAt(1), { version: 1 })
    assert.deepEqual(await node.create(item), { outcome: 'stale_version', version: 2 })
    assert.equal(await node.find(item.id), null)
  },

  'a trigger of a job that does not exist is refused as absent': async (world) => {
    const node = await TestNode.connect(world)
    const item = requestItem({ id: jobId('never'), name: 'never', version: 1 }, 'by-hand', slotAt(1))
    assert.deepEqual(await node.create(item), { outcome: 'absent' })
  },

  'a trigger can run while the schedule of the job is over': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ nextAt: null })
    await node.addTrigger(job, 'by-hand', slotAt(1), 'running', { run: true })
  },
})
