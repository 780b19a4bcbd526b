import assert from 'node:assert/strict'
import type { CancelItem, ReapItem } from '@jobistemer/core/storage'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { slotAddress } from '../stage/create-items.ts'
import { expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { firstAttempt, withLostAttempts } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'

export const cancelCases: readonly StorageCase[] = caseGroup('cancel', {
  'a pending occurrence is canceled at once, in either mode': async (world) => {
    const node = await TestNode.connect(world)
    for (const mode of ['request', 'force'] as const) {
      const job = await node.createJob({ name: mode })
      const pending = await node.addSlot(job, 1, 'pending')
      const answer = await node.cancel(pending, { mode, now: slotAt(1) + 7 })
      assert.deepEqual(answer, { outcome: 'canceled', woken: null })
      const record = await node.record(pending)
      assert.deepEqual([record.state, record.reason, record.finishedAt], ['canceled', 'not needed', slotAt(1) + 7])
      assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
    }
  },

  'canceling a pending occurrence wakes the next one': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const pending = await node.addSlot(job, 1, 'pending')
    const queued = await node.addSlot(job, 2, 'queued')
    const answer = expectOutcome(await node.cancel(pending), 'canceled')
    assert.deepEqual(answer.woken, { id: queued.id, jobId: job.id, scheduledAt: queued.scheduledAt })
    assert.equal(await node.stateOf(queued), 'pending')
  },

  'canceling a queued occurrence keeps the active one and the other queued ones': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const later = await node.addSlot(job, 3, 'queued')
    assert.deepEqual(await node.cancel(queued), { outcome: 'canceled', woken: null })
    assert.equal(await node.stateOf(queued), 'canceled')
    assert.equal(await node.stateOf(later), 'queued')
    assert.equal((await node.finish(held))?.id, later.id)
  },

  'a running occurrence is asked to cancel, and goes on until its owner ends it': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const answer = await other.cancel(held, { now: slotAt(1) + 3 })
    assert.deepEqual(answer, { outcome: 'requested', token: 1, owner: node.owner })
    assert.deepEqual(await node.record(held), {
      ...before,
      cancelRequest: { at: slotAt(1) + 3, reason: 'not needed', actor: 'kim' },
    })
    await node.finish(held)
  },

  'a repeated request to cancel keeps the first': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.cancel(held, { reason: 'first' })
    const before = await node.record(held)
    expectOutcome(await node.cancel(held, { reason: 'second', now: slotAt(3) }), 'requested')
    assert.deepEqual(await node.record(held), before)
  },

  'a second cancel by another actor answers requested and keeps the first reason and actor, also when it is then forced':
    async (world) => {
      const node = await TestNode.connect(world)
      const other = await TestNode.connect(world, 'node-b')
      const job = await node.createJob()
      const held = await node.startSlot(job, 1)
      const first = { at: slotAt(1) + 3, reason: 'first', actor: 'kim' }
      const asked = { outcome: 'requested', token: 1, owner: node.owner }
      assert.deepEqual(await other.cancel(held, { ...first, now: first.at }), asked)
      assert.deepEqual(await node.cancel(held, { reason: 'second', actor: 'lee', now: slotAt(2) }), asked)
      assert.deepEqual((await node.record(held)).cancelRequest, first)
      expectOutcome(
        await other.cancel(held, { mode: 'force', reason: 'third', actor: null, now: slotAt(3) }),
        'canceled',
      )
      const { cancelRequest, reason, finishedAt } = await node.record(held)
      assert.deepEqual([cancelRequest, reason, finishedAt], [first, 'third', slotAt(3)])
    },

  'a forced cancel ends a running occurrence at once, and the token of its owner is dead': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const answer = expectOutcome(await other.cancel(held, { mode: 'force', now: slotAt(2) + 1 }), 'canceled')
    assert.equal(answer.woken?.id, queued.id)
    const record = await node.record(held)
    assert.deepEqual(
      [record.state, record.reason, record.finishedAt, record.deadlineAt, record.owner],
      ['canceled', 'not needed', slotAt(2) + 1, null, node.owner],
    )
    assert.deepEqual(record.runs, firstAttempt(slotAt(1)))
    const late = await node.settle(held, { kind: 'finish', state: 'completed', reason: null })
    assert.deepEqual(late, { outcome: 'lost', state: 'canceled', token: 1 })
  },

  'a cancel answers final for an ended occurrence, and absent for an unknown one': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.finish(held)
    for (const mode of ['request', 'force'] as const) {
      assert.deepEqual(await node.cancel(held, { mode }), { outcome: 'final', state: 'completed' })
      assert.deepEqual(await node.cancel(slotAddress(job, 2), { mode }), { outcome: 'absent' })
    }
    assert.equal((await node.record(held)).cancelRequest, null)
  },

  'a cancel whose answer got lost can be repeated': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const pending = await node.addSlot(job, 1, 'pending')
    await node.addSlot(job, 2, 'queued')
    const third = await node.addSlot(job, 3, 'queued')
    await node.cancel(pending)
    const before = await node.record(pending)
    assert.deepEqual(await node.cancel(pending, { now: slotAt(5) }), { outcome: 'final', state: 'canceled' })
    assert.deepEqual(await node.record(pending), before)
    assert.equal(await node.stateOf(third), 'queued')
  },

  'the items of one call take effect in their order': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const first = await node.addSlot(job, 1, 'pending')
    const second = await node.addSlot(job, 2, 'queued')
    const item = (address: Pick<CancelItem, 'id' | 'scheduledAt'>): CancelItem => ({
      id: address.id,
      jobId: job.id,
      scheduledAt: address.scheduledAt,
      reason: 'not needed',
      actor: null,
      mode: 'request',
    })
    const answers = await node.storage.cancel({
      now: slotAt(3),
      items: [item(slotAddress(job, 9)), item(first), item(first), item(second)],
    })
    assert.deepEqual(answers, [
      { outcome: 'absent' },
      { outcome: 'canceled', woken: { id: second.id, jobId: job.id, scheduledAt: second.scheduledAt } },
      { outcome: 'final', state: 'canceled' },
      { outcome: 'canceled', woken: null },
    ])
  },
})

export const reapCases: readonly StorageCase[] = caseGroup('reap', {
  'an occurrence that its owner does not settle becomes failed_stale, and the next one is woken': async (world) => {
    const node = await TestNode.connect(world)
    const reaper = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const before = await node.record(held)
    const now = slotAt(20)
    const runs = withLostAttempts(before.runs, now)
    const answer = await reaper.reap(held, { runs, now })
    const woken = { id: queued.id, jobId: job.id, scheduledAt: queued.scheduledAt }
    assert.deepEqual(answer, { outcome: 'reaped', woken })
    assert.deepEqual(await node.record(held), {
      ...before,
      runs,
      state: 'failed_stale',
      reason: 'deadline',
      finishedAt: now,
      deadlineAt: null,
    })
    assert.equal(await node.stateOf(queued), 'pending')
  },

  'a settle of the late owner answers lost and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const reaper = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await reaper.reap(held), 'reaped')
    const before = await node.record(held)
    for (const kind of ['progress', 'finish', 'release'] as const) {
      const change =
        kind === 'progress'
          ? { kind }
          : kind === 'finish'
            ? { kind, state: 'completed' as const, reason: null }
            : { kind, dueAt: slotAt(2), reason: null }
      const answer = await node.settle(held, change)
      assert.deepEqual(answer, { outcome: 'lost', state: 'failed_stale', token: 1 })
    }
    assert.deepEqual(await node.record(held), before)
  },

  'with retry it is pending again, and the next owner gets a new token and the kept task runs': async (world) => {
    const node = await TestNode.connect(world)
    const reaper = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const now = slotAt(20)
    const runs = withLostAttempts(firstAttempt(slotAt(1)), now)
    assert.deepEqual(await reaper.reap(held, { runs, now, action: 'retry' }), { outcome: 'reaped', woken: null })
    const record = await node.record(held)
    assert.deepEqual(
      [record.state, record.token, record.deadlineAt, record.finishedAt, record.reason],
      ['pending', 1, null, null, 'deadline'],
    )
    assert.equal(await node.stateOf(queued), 'queued')
    expectOutcome(await node.settle(held, { kind: 'finish', state: 'completed', reason: null }), 'lost')
    const claimed = await reaper.claimOne(now)
    assert.deepEqual([claimed.id, claimed.token, claimed.sequence, claimed.runs], [held.id, 2, 0, runs])
  },

  'a reap loses against a later settle of the owner': async (world) => {
    const node = await TestNode.connect(world)
    const reaper = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.settle(held, { kind: 'progress' }, { sequence: 1 }), 'ok')
    const before = await node.record(held)
    for (const action of ['fail', 'retry'] as const) {
      for (const sequence of [0, 2]) {
        const answer = await reaper.reap(held, { sequence, action })
        assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
      }
    }
    assert.deepEqual(await node.record(held), before)
    expectOutcome(await reaper.reap(held, { sequence: 1 }), 'reaped')
  },

  'another owner under the same token makes the reaper lose: the token was given again after a loss': async (world) => {
    const node = await TestNode.connect(world)
    const reaper = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const { owner } = node
    for (const action of ['fail', 'retry'] as const) {
      const answer = await reaper.reap(held, { action, owner: { ...owner, incarnation: 'node-a-0' } })
      assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
    }
    assert.deepEqual(await node.record(held), before)
    expectOutcome(await reaper.reap(held, { owner, action: 'retry' }), 'reaped')
  },

  'another token makes the reaper lose: a new owner is not reaped for the old one': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1))
    await other.claimOne(slotAt(1))
    const before = await node.record(held)
    for (const token of [1, 3]) {
      const answer = await node.reap(held, { token })
      assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 2 })
    }
    assert.deepEqual(await node.record(held), before)
  },

  'only a running occurrence can be reaped': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const pending = await node.addSlot(job, 1, 'pending')
    const queued = await node.addSlot(job, 2, 'queued')
    for (const [address, state] of [
      [pending, 'pending'],
      [queued, 'queued'],
    ] as const) {
      const answer = await node.reap({ id: address.id, jobId: job.id, scheduledAt: address.scheduledAt, token: 0 })
      assert.deepEqual(answer, { outcome: 'lost', state, token: 0 })
    }
    const absent = await node.reap({ ...slotAddress(job, 9), token: 1 })
    assert.deepEqual(absent, { outcome: 'lost', state: 'absent', token: 0 })
  },

  'the items of one call do not touch each other': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const first = await node.startSlot(alpha, 1)
    const second = await node.startSlot(beta, 1)
    const common = { sequence: 0, runs: [], action: 'fail', reason: 'deadline' } as const
    const items: readonly ReapItem[] = [
      { ...first, ...common, token: 5 },
      { ...second, ...common },
      { ...second, ...common },
    ]
    const answers = await node.storage.reap({ now: slotAt(9), items })
    assert.deepEqual(
      answers.map((answer) => [answer.outcome, answer.outcome === 'lost' ? answer.state : null]),
      [
        ['lost', 'running'],
        ['reaped', null],
        ['lost', 'failed_stale'],
      ],
    )
    assert.equal(await node.stateOf(first), 'running')
  },
})
