import assert from 'node:assert/strict'
import type { FinalState, SettleChange, TaskRunRecord } from '@jobistemer/core/storage'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { slotAddress } from '../stage/create-items.ts'
import { expectOne, expectOutcome } from '../stage/expect.ts'
import { minute, slotAt } from '../stage/instants.ts'
import { succeeded, withNextAttempt } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'

const progress: SettleChange = { kind: 'progress' }
const completed: SettleChange = { kind: 'finish', state: 'completed', reason: null }
const released: SettleChange = { kind: 'release', dueAt: slotAt(1), reason: 'shutdown' }

const changes: readonly SettleChange[] = [progress, completed, released]

const finalStates: readonly FinalState[] = [
  'completed',
  'completed_with_errors',
  'failed',
  'canceled',
  'failed_stale',
  'skipped',
  'missed',
]

export const settleCases: readonly StorageCase[] = caseGroup('settle', {
  'progress stores the task runs and the sequence, and the occurrence goes on': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const runs = withNextAttempt(succeeded(slotAt(1), slotAt(1) + 3), slotAt(1) + 4)
    const answer = await node.settle(held, progress, { runs, sequence: 1 })
    assert.deepEqual(answer, { outcome: 'ok', woken: null, cancelRequested: null })
    assert.deepEqual(await node.record(held), { ...before, runs, sequence: 1 })
  },

  'a finish stores state, reason, instant and task runs, and keeps who did it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const runs = succeeded(slotAt(1), slotAt(1) + 5, { rows: 3 })
    const change: SettleChange = { kind: 'finish', state: 'failed', reason: 'task_failed' }
    const answer = await node.settle(held, change, { runs, sequence: 1, now: slotAt(1) + 6 })
    assert.deepEqual(answer, { outcome: 'ok', woken: null, cancelRequested: null })
    assert.deepEqual(await node.record(held), {
      ...before,
      runs,
      sequence: 1,
      state: 'failed',
      reason: 'task_failed',
      finishedAt: slotAt(1) + 6,
      deadlineAt: null,
    })
  },

  'every final state can be reached, and is final': async (world) => {
    const node = await TestNode.connect(world)
    for (const [index, state] of finalStates.entries()) {
      const job = await node.createJob({ name: `job-${index}` })
      const held = await node.startSlot(job, 1)
      expectOutcome(await node.settle(held, { kind: 'finish', state, reason: null }), 'ok')
      const before = await node.record(held)
      assert.equal(before.state, state)
      for (const change of changes) {
        assert.deepEqual(await node.settle(held, change, { sequence: 2 }), { outcome: 'lost', state, token: 1 })
      }
      const forced = expectOutcome(await node.cancel(held, { mode: 'force' }), 'final')
      assert.equal(forced.state, state)
      expectOutcome(await node.reap(held, { sequence: 1 }), 'lost')
      expectOutcome(await node.reap(held, { sequence: 1, action: 'retry' }), 'lost')
      assert.deepEqual((await node.claim(slotAt(9), { sweep: true })).claimed, [])
      assert.deepEqual(await node.record(held), before)
    }
  },

  'an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing': async (
    world,
  ) => {
    // Simulates a storage that lost the claim of node-a, and gives node-b the same token.
    const node = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const former = [
      { node: 'node-a', incarnation: 'node-a-1' },
      // An earlier incarnation of node-b, which the storage has never seen.
      { node: 'node-b', incarnation: 'node-b-0' },
    ]
    for (const owner of former) {
      for (const change of changes) {
        const answer = await node.settle(held, change, { owner })
        assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
      }
    }
    assert.deepEqual(await node.record(held), before)
    const { owner } = node
    assert.equal((await node.settle(held, progress, { owner })).outcome, 'ok')
    const [last = owner] = former
    assert.equal((await node.settle(held, progress, { owner: last })).outcome, 'lost')
    assert.equal((await node.settle(held, completed, { owner, sequence: 2 })).outcome, 'ok')
    assert.equal((await node.settle(held, completed, { owner, sequence: 2 })).outcome, 'ok')
    assert.equal((await node.settle(held, completed, { owner: last, sequence: 2 })).outcome, 'lost')
  },

  'a claimed run is guarded by its owner as well, also while others of its job wait': async (world) => {
    const node = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'queue' })
    await node.addSlot(job, 1, 'pending')
    const held = await node.claimOne(slotAt(1))
    await node.addSlot(job, 2, 'queued')
    const owner = { node: 'node-a', incarnation: 'node-a-1' }
    for (const change of changes) {
      const answer = await node.settle(held, change, { owner })
      assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
    }
    assert.deepEqual(await node.record(held), held)
    assert.equal((await node.settle(held, completed, { owner: node.owner })).outcome, 'ok')
  },

  'another token is lost and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    for (const token of [0, 2]) {
      for (const change of changes) {
        const answer = await node.settle({ ...held, token }, change)
        assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
      }
    }
    assert.deepEqual(await node.record(held), before)
  },

  'an occurrence that does not exist is lost as absent': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const answer = await node.settle({ ...slotAddress(job, 1), token: 1 }, completed)
    assert.deepEqual(answer, { outcome: 'lost', state: 'absent', token: 0 })
    assert.deepEqual(await node.history(job.id), [])
  },

  'a repeated sequence is answered ok and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.settle(held, progress, { sequence: 3 }), 'ok')
    const before = await node.record(held)
    expectOutcome(await node.settle(held, progress, { sequence: 3, now: slotAt(3) }), 'ok')
    assert.deepEqual(await node.record(held), before)
  },

  'a smaller sequence is lost: a late message never overwrites a newer one': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.settle(held, progress, { sequence: 2 }), 'ok')
    const before = await node.record(held)
    for (const change of changes) {
      const answer = await node.settle(held, change, { sequence: 1, runs: [] })
      assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 1 })
    }
    assert.deepEqual(await node.record(held), before)
  },

  'a sequence may leave numbers out': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.settle(held, progress, { sequence: 5 }), 'ok')
    expectOutcome(await node.settle(held, completed, { sequence: 9 }), 'ok')
    assert.equal((await node.record(held)).sequence, 9)
  },

  'a finish whose answer got lost can be repeated': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const later = await node.addSlot(job, 3, 'queued')
    await node.finish(held)
    const before = await node.record(held)
    expectOutcome(await node.settle(held, completed, { now: slotAt(3) }), 'ok')
    assert.deepEqual(await node.record(held), before)
    assert.equal(await node.stateOf(queued), 'pending')
    assert.equal(await node.stateOf(later), 'queued')
  },

  'a release whose answer got lost can be repeated': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1) + 5)
    const before = await node.record(held)
    const again: SettleChange = { kind: 'release', dueAt: slotAt(1) + 5, reason: 'shutdown' }
    expectOutcome(await node.settle(held, again, { now: slotAt(2) }), 'ok')
    assert.deepEqual(await node.record(held), before)
  },

  'progress that is repeated after the token died is lost': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.settle(held, progress, { sequence: 1 }), 'ok')
    await node.cancel(held, { mode: 'force' })
    const answer = expectOutcome(await node.settle(held, progress, { sequence: 1 }), 'lost')
    assert.equal(answer.state, 'canceled')
  },

  'a released occurrence is pending for any node, not before the given instant': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const runs = succeeded(slotAt(1), slotAt(1) + 5)
    const change: SettleChange = { kind: 'release', dueAt: slotAt(1) + 500, reason: 'shutdown' }
    expectOutcome(await node.settle(held, change, { runs, now: slotAt(1) + 6 }), 'ok')
    assert.deepEqual(await node.record(held), {
      ...before,
      runs,
      sequence: 1,
      state: 'pending',
      dueAt: slotAt(1) + 500,
      deadlineAt: null,
      reason: 'shutdown',
    })
    assert.deepEqual(await other.claim(slotAt(1) + 499), {
      claimed: [],
      cancelRequested: [],
      more: false,
      nextDueAt: slotAt(1) + 500,
    })
    const claimed = await other.claimOne(slotAt(1) + 500)
    assert.deepEqual(
      [claimed.state, claimed.token, claimed.sequence, claimed.owner, claimed.startedAt, claimed.reason],
      ['running', 2, 0, other.owner, slotAt(1) + 500, null],
    )
    assert.deepEqual(claimed.runs, runs)
  },

  'what an owner says after it gave the occurrence back is lost': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1))
    for (const change of [progress, completed]) {
      const answer = await node.settle(held, change, { sequence: 2 })
      assert.deepEqual(answer, { outcome: 'lost', state: 'pending', token: 1 })
    }
    assert.equal(await node.stateOf(held), 'pending')
  },

  'an earlier owner is lost once another has claimed, and the new one is not disturbed': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1))
    const claimed = await other.claimOne(slotAt(1))
    const before = await other.record(held)
    for (const change of changes) {
      for (const sequence of [1, 2]) {
        const answer = await node.settle(held, change, { sequence })
        assert.deepEqual(answer, { outcome: 'lost', state: 'running', token: 2 })
      }
    }
    assert.deepEqual(await other.record(held), before)
    await other.finish(claimed)
  },

  'a released occurrence still blocks the later ones of its job': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.release(held, slotAt(2))
    await node.addSlot(job, 3, 'queued')
    assert.equal(await node.stateOf(queued), 'queued')
    assert.equal((await node.claimOne(slotAt(3))).id, held.id)
  },

  'the answer tells that cancellation was asked for': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.cancel(held, { reason: 'not needed' })
    const answer = expectOutcome(await node.settle(held, progress), 'ok')
    assert.equal(answer.cancelRequested, 'not needed')
  },

  'a request to cancel stays with an occurrence that is handed back': async (world) => {
    const node = await TestNode.connect(world)
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.cancel(held, { reason: 'not needed' })
    await node.release(held, slotAt(1))
    const claimed = await other.claimOne(slotAt(1))
    assert.equal(claimed.cancelRequest?.reason, 'not needed')
    assert.equal(expectOne((await other.claim(slotAt(1))).cancelRequested).token, claimed.token)
  },

  'the items of one call take effect in their order, and a lost one does not touch its neighbours': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const first = await node.startSlot(alpha, 1)
    const second = await node.startSlot(beta, 1)
    const runs = succeeded(slotAt(1), slotAt(1) + 1)
    const answers = await node.storage.settle({
      now: slotAt(1) + minute,
      items: [
        { ...first, sequence: 1, runs, change: progress },
        { ...second, token: 9, sequence: 1, runs, change: completed },
        { ...slotAddress(alpha, 7), token: 1, sequence: 1, runs, change: completed },
        { ...first, sequence: 2, runs, change: completed },
        { ...first, sequence: 3, runs, change: progress },
        { ...second, sequence: 1, runs, change: { kind: 'finish', state: 'failed', reason: 'x' } },
      ],
    })
    assert.deepEqual(
      answers.map((answer) => [answer.outcome, answer.outcome === 'lost' ? answer.state : null]),
      [
        ['ok', null],
        ['lost', 'running'],
        ['lost', 'absent'],
        ['ok', null],
        ['lost', 'completed'],
        ['ok', null],
      ],
    )
    assert.equal(await node.stateOf(first), 'completed')
    assert.equal(await node.stateOf(second), 'failed')
  },

  'task runs come back exactly as they were stored': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    const cause = { name: 'SystemError', message: 'disk full', cause: { name: 'Error', message: 'at the very end' } }
    const errors = [
      { name: 'E1', message: 'first', stack: 'E1\n    at line 1' },
      { name: 'E2', message: '', cause },
    ]
    const error = {
      name: 'Error',
      message: 'naïve 🦊 \u0000 "x"',
      code: 'E_X',
      stack: 'Error\n    at 1',
      cause,
      errors,
    }
    const ended = { startedAt: slotAt(1), endedAt: slotAt(1) + 9 }
    const line = {
      at: slotAt(1) + 6,
      level: 'info',
      message: 'naïve 🦊 \u0000 "x"',
      fields: { rows: [3], ok: null },
    } as const
    const said = {
      progress: { fraction: 1, message: 'クリーン', at: slotAt(1) + 7 },
      logs: {
        lines: [line, { at: slotAt(1) + 7, level: 'error' as const, message: '', cut: true as const }],
        dropped: 12,
      },
    }
    const runs: readonly TaskRunRecord[] = [
      {
        task: 'export',
        state: 'completed',
        attempts: [
          { number: 1, state: 'failed', ...ended, error },
          { number: 2, state: 'timed_out', ...ended, error: { name: 'E', message: '' } },
          { number: 3, state: 'aborted', ...ended, reason: 'shutdown' },
          { number: 4, state: 'lost', ...ended, progress: { fraction: 0.25, message: null, at: slotAt(1) + 5 } },
          { number: 5, state: 'succeeded', ...ended, ...said },
        ],
        result: { rows: [1, 'two', null, { three: [] }], long: 'y'.repeat(100_000) },
      },
      { task: 'upload', state: 'canceled', attempts: [], reason: 'fail_fast' },
      { task: 'クリーン', state: 'retrying', attempts: [], result: null },
      {
        task: 'tried often',
        state: 'failed',
        attempts: [
          { number: 1, state: 'failed', ...ended },
          { number: 40, state: 'failed', ...ended },
        ],
        omitted: { attempts: 38, failures: 37 },
      },
    ]
    expectOutcome(await node.settle(held, progress, { runs }), 'ok')
    assert.deepEqual((await node.record(held)).runs, runs)
    expectOutcome(await node.settle(held, completed, { runs: [], sequence: 2 }), 'ok')
    assert.deepEqual((await node.record(held)).runs, [])
  },
})
