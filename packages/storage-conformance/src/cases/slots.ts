import assert from 'node:assert/strict'
import { jobId, occurrenceId } from '@jobistemer/core'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { executionTimeoutMs, exclusionItem, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { firstAttempt } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'

export const slotCases: readonly StorageCase[] = caseGroup('slots', {
  'a due slot with task runs is created and started in one step': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const now = slotAt(1) + 4
    const item = slotItem(job, 1, { runs: firstAttempt(now), details: { data: { a: [1] } } })
    const created = expectCreated(await node.create(item, now), 'running')
    assert.deepEqual(created, {
      outcome: 'created',
      state: 'running',
      token: 1,
      reason: null,
      displaced: [],
      cancelRequested: [],
    })
    assert.deepEqual(await node.record(item), {
      id: item.id,
      jobId: job.id,
      scheduledAt: slotAt(1),
      kind: 'slot',
      state: 'running',
      token: 1,
      sequence: 0,
      owner: node.owner,
      jobVersion: 1,
      dueAt: slotAt(1),
      createdAt: now,
      startedAt: now,
      finishedAt: null,
      executionTimeoutMs,
      deadlineAt: now + executionTimeoutMs,
      reason: null,
      recovered: false,
      rescues: 0,
      cancelRequest: null,
      details: { data: { a: [1] } },
      runs: firstAttempt(now),
    })
  },

  'a slot without task runs waits as pending, without an owner': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = slotItem(job, 1)
    const created = expectCreated(await node.create(item, slotAt(1) + 2), 'pending')
    assert.equal(created.token, 0)
    assert.deepEqual(await node.record(item), {
      id: item.id,
      jobId: job.id,
      scheduledAt: slotAt(1),
      kind: 'slot',
      state: 'pending',
      token: 0,
      sequence: 0,
      owner: null,
      jobVersion: 1,
      dueAt: slotAt(1),
      createdAt: slotAt(1) + 2,
      startedAt: null,
      finishedAt: null,
      executionTimeoutMs,
      deadlineAt: null,
      reason: null,
      recovered: false,
      rescues: 0,
      cancelRequest: null,
      details: {},
      runs: [],
    })
  },

  'a slot that is created before its time is not started, whatever it asks': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = slotItem(job, 1, { run: true })
    expectCreated(await node.create(item, slotAt(1) - 1), 'pending')
    assert.deepEqual((await node.claim(slotAt(1) - 1)).claimed, [])
    assert.equal((await node.claimOne(slotAt(1))).id, item.id)
  },

  'creating a slot moves the watermark to it and the next instant to the one it names': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.startSlot(job, 1, { nextAt: slotAt(4) })
    const head = await node.head(job.id)
    assert.deepEqual(head, { ...job, watermark: slotAt(1), nextAt: slotAt(4) })
  },

  'the last slot of a schedule leaves no next instant': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending', { nextAt: null })
    assert.equal((await node.head(job.id)).nextAt, null)
    const answer = expectOutcome(await node.create(slotItem(job, 2)), 'off_schedule')
    assert.deepEqual([answer.watermark, answer.nextAt], [slotAt(1), null])
  },

  'a second create of a slot answers exists with state, token and owner, and changes nothing': async (world) => {
    const winner = await TestNode.connect(world, 'node-a')
    const loser = await TestNode.connect(world, 'node-b')
    const job = await winner.createJob()
    const item = slotItem(job, 1, { run: true })
    expectCreated(await winner.create(item), 'running')
    const before = await winner.record(item)
    const answer = await loser.create({ ...item, executionTimeoutMs: 5, details: { data: 1 } }, slotAt(1) + 9)
    assert.deepEqual(answer, {
      outcome: 'exists',
      state: 'running',
      token: 1,
      owner: winner.owner,
      watermark: slotAt(1),
      nextAt: slotAt(2),
    })
    assert.deepEqual(await loser.record(item), before)
  },

  'a repeated create tells its own author that the record is his': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = slotItem(job, 1, { run: true })
    expectCreated(await node.create(item), 'running')
    const again = expectOutcome(await node.create(item), 'exists')
    assert.deepEqual([again.state, again.token, again.owner], ['running', 1, node.owner])
  },

  'exists tells the state that the occurrence has come to': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = await node.addSlot(job, 1, 'pending')
    const waiting = expectOutcome(await node.create(item), 'exists')
    assert.deepEqual([waiting.state, waiting.token, waiting.owner], ['pending', 0, null])
    await node.finish(await node.claimOne(slotAt(1)))
    const ended = expectOutcome(await node.create(item), 'exists')
    assert.deepEqual([ended.state, ended.token, ended.owner], ['completed', 1, node.owner])
  },

  'a slot that is not the next instant of the job is refused as off_schedule': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.startSlot(job, 1)
    const between = { ...slotItem(job, 2), id: occurrenceId(job.id, slotAt(1) + 1), scheduledAt: slotAt(1) + 1 }
    const past = { ...slotItem(job, 0), scheduledAt: start - minute, id: occurrenceId(job.id, start - minute) }
    for (const item of [slotItem(job, 3), between, past]) {
      const answer = expectOutcome(await node.create(item, slotAt(3)), 'off_schedule')
      assert.deepEqual([answer.watermark, answer.nextAt], [slotAt(1), slotAt(2)])
      assert.equal(await node.find(item.id), null)
    }
    assert.equal((await node.head(job.id)).watermark, slotAt(1))
  },

  'a create that carries another version than the stored one is refused with the stored version': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectOutcome(await node.replaceJob(job.id, {}), 'saved')
    for (const version of [1, 3]) {
      const answer = await node.create(slotItem(job, 1, { version }))
      assert.deepEqual(answer, { outcome: 'stale_version', version: 2 })
    }
    assert.deepEqual(await node.history(job.id), [])
    assert.equal((await node.head(job.id)).watermark, start)
    expectCreated(await node.create(slotItem(job, 1, { version: 2 })), 'pending')
  },

  'a slot of a job that does not exist is refused as absent': async (world) => {
    const node = await TestNode.connect(world)
    const item = slotItem({ id: jobId('never'), name: 'never', version: 1 }, 1, { run: true })
    assert.deepEqual(await node.create(item), { outcome: 'absent' })
    assert.equal(await node.find(item.id), null)
  },

  'a slot at or below the prune floor is refused as pruned and never comes back': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const item = slotItem(job, 1, { run: true })
    await node.finish(await node.startSlot(job, 1))
    assert.deepEqual(await node.prune({ before: slotAt(2) }), { removed: 1, more: false })
    assert.deepEqual(await node.create(item), { outcome: 'pruned', pruneFloor: slotAt(1) })
    assert.equal(await node.find(item.id), null)
  },

  'exists is judged before everything else': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.replaceJob(job.id, {})
    expectOutcome(await node.create(slotItem(job, 1, { version: 7 })), 'exists')
    await node.deleteJob(job.id)
    const answer = expectOutcome(await node.create(slotItem(job, 1)), 'exists')
    assert.deepEqual([answer.state, answer.token], ['running', held.token])
  },

  'then absent, pruned, stale_version and off_schedule are judged, in this order': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.finish(await node.startSlot(job, 1))
    await node.finish(await node.startSlot(job, 2))
    await node.prune({ before: slotAt(3) })
    const pruned = slotItem(job, 1, { version: 7 })
    expectOutcome(await node.create(pruned), 'pruned')
    expectOutcome(await node.create(slotItem(job, 8, { version: 7 })), 'stale_version')
    expectOutcome(await node.create(slotItem(job, 8)), 'off_schedule')
    await node.deleteJob(job.id)
    expectOutcome(await node.create(pruned), 'absent')
  },

  'a slot that finds its own exclusion moves the job past it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectCreated(await node.create(exclusionItem(job, 2), start), 'canceled')
    await node.startSlot(job, 1)
    const answer = expectOutcome(await node.create(slotItem(job, 2, { run: true })), 'exists')
    assert.deepEqual([answer.state, answer.watermark, answer.nextAt], ['canceled', slotAt(2), slotAt(3)])
    const head = await node.head(job.id)
    assert.deepEqual([head.watermark, head.nextAt], [slotAt(2), slotAt(3)])
  },

  'a node that does not know the version in force does not move the job past an excluded slot': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    expectCreated(await node.create(exclusionItem(job, 1), start), 'canceled')
    await node.replaceJob(job.id, {})
    const before = await node.head(job.id)
    const behind = slotItem(job, 1, { version: 1, nextAt: slotAt(7) })
    expectOutcome(await node.create(behind), 'exists')
    assert.deepEqual(await node.head(job.id), before)
    expectOutcome(await node.create(slotItem(job, 1, { version: 2 })), 'exists')
    assert.equal((await node.head(job.id)).nextAt, slotAt(2))
  },

  'a repeated slot leaves watermark and next instant of the job alone': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    await node.create(slotItem(job, 2))
    await node.create(slotItem(job, 1))
    const head = await node.head(job.id)
    assert.deepEqual([head.watermark, head.nextAt], [slotAt(2), slotAt(3)])
  },

  'instants inside a second are different slots, and are kept to the millisecond': async (world) => {
    const node = await TestNode.connect(world)
    const first = slotAt(1) + 1
    const job = await node.createJob({ policy: 'allow', nextAt: first })
    for (const at of [first, first + 1, first + 250]) {
      const id = occurrenceId(job.id, at)
      const nextAt = at === first ? first + 1 : first + 250
      expectCreated(await node.create({ ...slotItem(job, 1), id, scheduledAt: at, nextAt }), 'pending')
    }
    assert.deepEqual(
      (await node.history(job.id)).map((record) => record.scheduledAt),
      [first, first + 1, first + 250],
    )
  },

  'instants before 1970 and after 2100 are kept': async (world) => {
    const node = await TestNode.connect(world)
    const instants = [Date.UTC(1969, 6, 20, 20, 17, 40), Date.UTC(2200, 1, 28)]
    for (const [index, at] of instants.entries()) {
      const job = await node.createJob({ name: `job-${index}`, nextAt: at }, at - minute)
      const item = { ...slotItem(job, 1, { run: true }), id: occurrenceId(job.id, at), scheduledAt: at, nextAt: null }
      expectCreated(await node.create(item, at), 'running')
      const record = await node.record(item)
      assert.deepEqual([record.scheduledAt, record.startedAt], [at, at])
      assert.equal((await node.head(job.id)).createdAt, at - minute)
    }
  },
})
