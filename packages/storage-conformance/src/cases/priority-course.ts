import assert from 'node:assert/strict'
import { type OccurrenceDetails, priorityStepMs } from '@jobistemer/core/storage'
import { requestItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const of = (priority: number): { readonly details: OccurrenceDetails } => ({ details: { priority } })

/** Cases in which an occurrence with high priority changes its state, or overtakes occurrences that may not start. */
export const priorityCourseCases: readonly StorageCase[] = caseGroup('priority from state to state', {
  'its scheduled time is the same in all of them, by id and in the history': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const first = await node.startSlot(job, 1, of(10))
    const second = await node.addSlot(job, 2, 'queued', of(-10))
    const third = await node.addTrigger(job, 'third', slotAt(3), 'queued', of(2))
    const order = [first, second, third]
    const times = [slotAt(1), slotAt(2), slotAt(3)]
    const assertTimes = async (states: readonly string[]) => {
      const records = await Promise.all(order.map((item) => node.record(item)))
      assert.deepEqual(
        records.map(({ state }) => state),
        states,
      )
      for (const found of [records, await node.history(job.id)]) {
        assert.deepEqual(
          found.map(({ scheduledAt }) => scheduledAt),
          times,
        )
      }
    }
    await assertTimes(['running', 'queued', 'queued'])
    await node.finish(first, { now: slotAt(4) })
    await assertTimes(['completed', 'queued', 'pending'])
    const held = await node.claimOne(slotAt(5))
    assert.deepEqual([held.id, held.scheduledAt], [third.id, slotAt(3)])
    await assertTimes(['completed', 'queued', 'running'])
    await node.release(held, slotAt(6), { now: slotAt(6) })
    await assertTimes(['completed', 'queued', 'pending'])
    expectOutcome(await node.cancel(await node.record(third), { now: slotAt(7) }), 'canceled')
    await assertTimes(['completed', 'pending', 'canceled'])
    await node.finish(await node.claimOne(slotAt(8)), { now: slotAt(8) })
    await assertTimes(['completed', 'completed', 'canceled'])
  },

  'a claim that leaves out handlers goes by it too': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    await node.createJob({ name: 'foreign', policy: 'allow' })
    const low = await node.addTrigger(job, 'low', slotAt(1), 'pending', of(-1))
    const urgent = await node.addTrigger(job, 'urgent', slotAt(2), 'pending', of(1))
    for (const expected of [urgent, low]) {
      const { claimed } = await node.claim(slotAt(3), { limit: 1, exceptHandlerKeys: ['foreign'] })
      assert.deepEqual(
        claimed.map(({ id }) => id),
        [expected.id],
      )
    }
  },

  'an urgent occurrence starts before a less urgent one that was due earlier': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const plain = [
      await node.addTrigger(job, 'first', slotAt(1), 'pending'),
      await node.addTrigger(job, 'second', slotAt(2), 'pending'),
    ]
    const urgent = requestItem(job, 'urgent', slotAt(5), { dueAt: slotAt(5), ...of(1) })
    expectCreated(await node.create(urgent, slotAt(2)), 'pending')
    for (const expected of [urgent, ...plain]) {
      const { claimed } = await node.claim(slotAt(6), { limit: 1 })
      assert.deepEqual(
        claimed.map(({ id }) => id),
        [expected.id],
      )
    }
  },

  'a claim for one goes on behind what is more urgent and may not start': async (world) => {
    const node = await TestNode.connect(world)
    const full = await node.createJob({ name: 'full', policy: 'queue' })
    const free = await node.createJob({ name: 'free', policy: 'allow' })
    await node.startSlot(full, 1)
    for (const priority of [10, 9, 8]) {
      const item = requestItem(full, `due ${priority}`, slotAt(5), { dueAt: slotAt(5), ...of(priority) })
      expectCreated(await node.create(item, slotAt(2)), 'pending')
    }
    const next = await node.addTrigger(free, 'next', slotAt(5), 'pending', of(1))
    const { claimed } = await node.claim(slotAt(5) + priorityStepMs, { limit: 1 })
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [next.id],
    )
    assert.deepEqual(await node.counts(full.id), { pending: 0, queued: 3, running: 1 })
  },

  'an update cancels all of its job that wait, wherever the most urgent lies': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.startSlot(job, 1)
    for (const [index, priority] of [0, -3, 5, 10, 1, -10, 9].entries()) {
      await node.addSlot(job, index + 2, 'queued', of(priority))
    }
    const { name, owner, definition, handlerKey, overlap, timeline, nextAt, version, watermark } = await node.head(
      job.id,
    )
    const content = { name, owner, fingerprint: 'print-2', definition, handlerKey, overlap, timeline, nextAt }
    const expected = { expectedVersion: version, expectedWatermark: watermark }
    const change = { kind: 'replace', id: job.id, content, ...expected, waiting: 'cancel' } as const
    for (let more = true; more; ) {
      more = expectOutcome(await node.saveSome(change, 3, slotAt(9)), 'saved').more === true
    }
    assert.deepEqual(await node.liveIds('queued'), [])
  },
})
