import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import {
  executionTimeoutMs,
  exclusionItem,
  missedEntry,
  recoveryItem,
  runEntry,
  slotAddress,
  slotItem,
  slotSpan,
} from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'

export const exclusionCases: readonly StorageCase[] = caseGroup('exclusion', {
  'a future slot is recorded as canceled, and the course of the job stays': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = exclusionItem(job, 3)
    const created = expectCreated(await node.create(item, start + 1), 'canceled')
    assert.deepEqual([created.reason, created.token], ['holiday', 0])
    const record = await node.record(item)
    assert.deepEqual(
      [record.kind, record.state, record.reason, record.finishedAt, record.token, record.owner],
      ['slot', 'canceled', 'holiday', start + 1, 0, null],
    )
    assert.deepEqual(await node.head(job.id), job)
  },

  'an exclusion does not stand in the way of the slots before it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectCreated(await node.create(exclusionItem(job, 2), start), 'canceled')
    await node.startSlot(job, 1)
  },

  'excluding a slot twice, or one that runs, answers exists': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectCreated(await node.create(exclusionItem(job, 2), start), 'canceled')
    assert.equal(expectOutcome(await node.create(exclusionItem(job, 2), start), 'exists').state, 'canceled')
    await node.startSlot(job, 1)
    assert.equal(expectOutcome(await node.create(exclusionItem(job, 1), start), 'exists').state, 'running')
    assert.equal((await node.head(job.id)).nextAt, slotAt(2))
  },

  'an exclusion at or before the watermark is off_schedule': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ nextAt: slotAt(3) })
    await node.startSlot(job, 3)
    for (const index of [1, 2]) {
      const answer = expectOutcome(await node.create(exclusionItem(job, index), slotAt(3)), 'off_schedule')
      assert.deepEqual([answer.watermark, answer.nextAt], [slotAt(3), slotAt(4)])
      assert.equal(await node.find(exclusionItem(job, index).id), null)
    }
  },

  'an exclusion with another version, or of no job, is refused': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectOutcome(await node.create(exclusionItem(job, 2, { version: 3 }), start), 'stale_version')
    const never = { id: jobId('never'), name: 'never', version: 1 }
    expectOutcome(await node.create(exclusionItem(never, 2), start), 'absent')
  },
})

export const recoveryCases: readonly StorageCase[] = caseGroup('recovery', {
  'missed slots are decided in one step: records, watermark and next instant': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = recoveryItem(job, 5, {
      expectedWatermark: start,
      watermark: slotAt(5) + 3,
      entries: [missedEntry(job, 1, 4), runEntry(job, 5, { data: 'late' })],
    })
    const now = slotAt(5) + 9
    const created = expectCreated(await node.create(item, now), 'pending')
    assert.deepEqual([created.token, created.displaced, created.cancelRequested], [0, [], []])
    const head = await node.head(job.id)
    assert.deepEqual(head, { ...job, watermark: slotAt(5) + 3, nextAt: slotAt(6) })
    const [missed, run, ...others] = await node.history(job.id)
    assert.deepEqual(others, [])
    assert.deepEqual(run, {
      ...slotAddress(job, 5),
      kind: 'slot',
      state: 'pending',
      token: 0,
      sequence: 0,
      owner: null,
      jobVersion: 1,
      dueAt: slotAt(5),
      createdAt: now,
      startedAt: null,
      finishedAt: null,
      executionTimeoutMs,
      deadlineAt: null,
      reason: null,
      recovered: true,
      rescues: 0,
      cancelRequest: null,
      details: { data: 'late' },
      runs: [],
    })
    assert.deepEqual(
      [missed?.id, missed?.scheduledAt, missed?.state, missed?.reason, missed?.finishedAt, missed?.kind],
      [missedEntry(job, 1, 4).id, slotAt(1), 'missed', 'mark_as_missed', now, 'slot'],
    )
    assert.deepEqual(missed?.details, { span: slotSpan(1, 4) })
    assert.equal(missed?.recovered, true)
    assert.equal((await node.claimOne(now)).id, item.id)
  },

  'under each policy the first recovered run is pending and the rest are queued behind it': async (world) => {
    const node = await TestNode.connect(world)
    for (const policy of ['skip', 'queue', 'queue_one', 'cancel_running'] as const) {
      const job = await node.createJob({ name: policy, policy, maxQueued: 1 })
      const entries = [1, 2, 3, 4].map((index) => runEntry(job, index))
      const item = recoveryItem(job, 4, { expectedWatermark: start, entries })
      expectCreated(await node.create(item, slotAt(4)), 'queued')
      const states = (await node.history(job.id)).map((record) => record.state)
      assert.deepEqual(states, ['pending', 'queued', 'queued', 'queued'], `under ${policy}`)
    }
  },

  'recovered runs end one after the other, in the order of their time': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const entries = [1, 2, 3].map((index) => runEntry(job, index))
    await node.create(recoveryItem(job, 3, { expectedWatermark: start, entries }), slotAt(3))
    for (const index of [1, 2, 3]) {
      const claimed = await node.claimOne(slotAt(4))
      assert.equal(claimed.scheduledAt, slotAt(index))
      assert.equal(claimed.recovered, true)
      await node.finish(claimed, { now: slotAt(4) })
    }
  },

  'under allow all recovered runs are pending at once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const entries = [1, 2, 3].map((index) => runEntry(job, index))
    const item = recoveryItem(job, 3, { expectedWatermark: start, entries })
    expectCreated(await node.create(item, slotAt(3)), 'pending')
    assert.equal((await node.claim(slotAt(3))).claimed.length, 3)
  },

  'recovered runs are queued behind what is active, and displace nothing': async (world) => {
    const node = await TestNode.connect(world)
    for (const policy of ['skip', 'queue', 'queue_one', 'cancel_running'] as const) {
      const job = await node.createJob({ name: policy, policy })
      const held = await node.startSlot(job, 1)
      const entries = [runEntry(job, 2), runEntry(job, 3)]
      const item = recoveryItem(job, 3, { expectedWatermark: slotAt(1), entries })
      const created = expectCreated(await node.create(item, slotAt(3)), 'queued')
      assert.deepEqual([created.displaced, created.cancelRequested], [[], []])
      assert.equal((await node.record(held)).cancelRequest, null)
      assert.equal((await node.finish(held, { now: slotAt(3) }))?.scheduledAt, slotAt(2), `under ${policy}`)
    }
  },

  'a recovery with no entries moves the job over its slots and leaves nothing behind': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = recoveryItem(job, 4, { expectedWatermark: start, entries: [] })
    const created = expectOutcome(await node.create(item, slotAt(4)), 'created')
    assert.deepEqual([created.token, created.displaced, created.cancelRequested], [0, [], []])
    const head = await node.head(job.id)
    assert.deepEqual([head.watermark, head.nextAt], [slotAt(4), slotAt(5)])
    assert.deepEqual(await node.history(job.id), [])
    // The recovery moved the watermark past its slots and created no record. So the storage rejects the repeated call.
    const again = expectOutcome(await node.create(item, slotAt(4)), 'off_schedule')
    assert.deepEqual([again.watermark, again.nextAt], [slotAt(4), slotAt(5)])
    await node.startSlot(job, 5)
  },

  'slots that are all missed leave entries and nothing to run': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const entries = [missedEntry(job, 1, 1), missedEntry(job, 2, 9)]
    const item = recoveryItem(job, 9, { expectedWatermark: start, entries })
    assert.equal(expectCreated(await node.create(item, slotAt(9)), 'missed').token, 0)
    assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
    assert.equal((await node.head(job.id)).watermark, slotAt(9))
  },

  'a run that covers the whole missed span keeps it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const span = slotSpan(1, 6)
    const item = recoveryItem(job, 6, { expectedWatermark: start, entries: [runEntry(job, 6, { span })] })
    await node.create(item, slotAt(6))
    assert.deepEqual((await node.claimOne(slotAt(6))).details.span, span)
  },

  'of two recoveries of one window the second creates nothing and answers exists': async (world) => {
    const first = await TestNode.connect(world, 'node-a')
    const second = await TestNode.connect(world, 'node-b')
    const job = await first.createJob()
    const item = recoveryItem(job, 4, {
      expectedWatermark: start,
      entries: [missedEntry(job, 1, 3), runEntry(job, 4)],
    })
    expectCreated(await first.create(item, slotAt(4)), 'pending')
    const before = await first.history(job.id)
    const answer = expectOutcome(await second.create(item, slotAt(4) + 1), 'exists')
    assert.deepEqual([answer.state, answer.watermark, answer.nextAt], ['pending', slotAt(4), slotAt(5)])
    assert.deepEqual(await second.history(job.id), before)
  },

  'a recovery that expects another watermark is off_schedule, and nothing of it happens': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    const entries = [missedEntry(job, 1, 3), runEntry(job, 4)]
    const item = recoveryItem(job, 4, { expectedWatermark: start, entries })
    const answer = expectOutcome(await node.create(item, slotAt(4)), 'off_schedule')
    assert.deepEqual([answer.watermark, answer.nextAt], [slotAt(1), slotAt(2)])
    assert.equal((await node.history(job.id)).length, 1)
    assert.equal((await node.head(job.id)).watermark, slotAt(1))
  },

  'a recovery with another version, or of no job, is refused whole': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const options = { expectedWatermark: start, entries: [runEntry(job, 1)] }
    expectOutcome(await node.create(recoveryItem(job, 1, { ...options, version: 4 })), 'stale_version')
    const never = { id: jobId('never'), name: 'never', version: 1 }
    expectOutcome(await node.create(recoveryItem(never, 1, options)), 'absent')
    assert.deepEqual(await node.history(job.id), [])
    assert.equal((await node.head(job.id)).watermark, start)
  },

  'an entry whose slot was excluded before is left as it is': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 2), start)
    const before = await node.record(slotAddress(job, 2))
    const entries = [1, 2, 3].map((index) => runEntry(job, index))
    expectCreated(await node.create(recoveryItem(job, 3, { expectedWatermark: start, entries }), slotAt(3)), 'queued')
    assert.deepEqual(await node.record(slotAddress(job, 2)), before)
    assert.equal((await node.history(job.id)).length, 3)
  },

  'a run for several slots that meets a record is refused whole, and decided anew without that slot': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 3), start)
    const unaware = recoveryItem(job, 3, {
      expectedWatermark: start,
      entries: [runEntry(job, 3, { span: slotSpan(1, 3) })],
    })
    const answer = expectOutcome(await node.create(unaware, slotAt(3)), 'off_schedule')
    assert.deepEqual([answer.watermark, answer.nextAt], [job.watermark, job.nextAt])
    assert.deepEqual(await node.head(job.id), job)
    assert.equal((await node.history(job.id)).length, 1)
    const entries = [runEntry(job, 2, { span: slotSpan(1, 2) }), missedEntry(job, 3, 3)]
    expectCreated(await node.create(recoveryItem(job, 3, { expectedWatermark: start, entries }), slotAt(3)), 'canceled')
    const states = (await node.history(job.id)).map(({ state }) => state)
    assert.deepEqual(states, ['pending', 'canceled'])
  },

  'a run that stands for its own slot alone leaves the record of that as it is': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 2), start)
    const entries = [runEntry(job, 1, { span: slotSpan(1, 1) }), runEntry(job, 2, { span: slotSpan(2, 2) })]
    expectCreated(await node.create(recoveryItem(job, 2, { expectedWatermark: start, entries }), slotAt(2)), 'canceled')
    assert.deepEqual(
      (await node.history(job.id)).map(({ state }) => state),
      ['pending', 'canceled'],
    )
  },

  'a missed range that begins at a slot which was excluded before stands beside the exclusion': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const excluded = exclusionItem(job, 1)
    await node.create(excluded, start)
    const before = await node.record(excluded)
    const range = missedEntry(job, 1, 4)
    const item = recoveryItem(job, 5, { expectedWatermark: start, entries: [range, runEntry(job, 5)] })
    expectCreated(await node.create(item, slotAt(5)), 'pending')
    assert.deepEqual(await node.record(excluded), before)
    const { state, scheduledAt, details } = await node.record(range)
    assert.deepEqual([state, scheduledAt, details], ['missed', slotAt(1), { span: slotSpan(1, 4) }])
    const listed = (await node.history(job.id)).map(({ id }) => id)
    assert.deepEqual(listed, [...[excluded.id, range.id].sort(), item.id])
    expectOutcome(await node.create(item, slotAt(5)), 'exists')
  },

  'a recovery whose last slot was excluded before still moves the job': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.create(exclusionItem(job, 3), start)
    const entries = [1, 2, 3].map((index) => runEntry(job, index))
    const item = recoveryItem(job, 3, { expectedWatermark: start, entries })
    expectOutcome(await node.create(item, slotAt(3)), 'created')
    assert.equal((await node.head(job.id)).watermark, slotAt(3))
    const states = (await node.history(job.id)).map((record) => record.state)
    assert.deepEqual(states, ['pending', 'queued', 'canceled'])
    expectOutcome(await node.create(item, slotAt(3)), 'exists')
  },

  'the entries of a paused job are created as usual and wait for its resumption': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.pause(job.id)
    const item = recoveryItem(job, 2, { expectedWatermark: start, entries: [runEntry(job, 2)] })
    expectCreated(await node.create(item), 'pending')
    assert.deepEqual((await node.claim(slotAt(2))).claimed, [])
    await node.resume(job.id)
    assert.equal((await node.claimOne(slotAt(2))).id, item.id)
  },

  'after a recovery the schedule goes on with the next instant': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const item = recoveryItem(job, 2, { expectedWatermark: start, entries: [missedEntry(job, 1, 2)] })
    await node.create(item)
    expectOutcome(await node.create(slotItem(job, 1)), 'off_schedule')
    expectOutcome(await node.create(slotItem(job, 2)), 'off_schedule')
    await node.startSlot(job, 3)
  },
})
