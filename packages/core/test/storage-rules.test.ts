import { describe, expect, it } from 'vitest'
import { jobId, occurrenceId } from '../src/ids.ts'
import {
  askedToCancel,
  type CreateItem,
  canceledBy,
  claimed,
  createdJob,
  createdOccurrence,
  decideOverlap,
  decideRecoveredRun,
  deletedJob,
  ended,
  finished,
  goesOnCanceling,
  type HeadState,
  handedBack,
  isPrunable,
  isRepeatedReplace,
  isSuperseded,
  mayReplace,
  type JobContent,
  judgeCreate,
  judgeSettle,
  lastSlotOf,
  maxLineage,
  nextLineage,
  type OccurrenceRecord,
  type OccurrenceState,
  type OverlapDecision,
  type OverlapPolicy,
  type OverlapSituation,
  passesSlot,
  recoveredOccurrence,
  replacedJob,
  requeued,
  type SettleChange,
  shardOf,
  woken,
} from '../src/storage/index.ts'

const job = jobId('alpha')
const owner = { node: 'node-a', incarnation: 'node-a-1' }

const content: JobContent = {
  name: 'alpha',
  owner: null,
  fingerprint: 'print-1',
  definition: {},
  handlerKey: 'alpha',
  overlap: { policy: 'skip', maxQueued: 2 },
  timeline: [],
  nextAt: 200,
}

const slot: CreateItem & { kind: 'slot' } = {
  kind: 'slot',
  id: occurrenceId(job, 200),
  jobId: job,
  scheduledAt: 200,
  jobVersion: 2,
  nextAt: 300,
  executionTimeoutMs: 50,
  details: {},
  runs: [{ task: 'work', state: 'running', attempts: [] }],
}

function situation(policy: OverlapPolicy, change: Partial<OverlapSituation> = {}): OverlapSituation {
  const counts = { pending: 0, running: 0, queued: 0, superseded: false, delayed: false }
  const free = { slotPaused: false, startable: true }
  return { kind: 'slot', overlap: { policy, maxQueued: 2 }, ...free, ...counts, ...change }
}

describe('the overlap rule of the storage', () => {
  const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']

  it('lets an occurrence of a job without active occurrences start if the node has a permit, or else stay pending', () => {
    for (const policy of policies) {
      expect(decideOverlap(situation(policy)).state).toBe('running')
      expect(decideOverlap(situation(policy, { startable: false })).state).toBe('pending')
    }
  })

  it('applies the overlap policy to a new occurrence while another occurrence of the job runs', () => {
    const table: Readonly<Record<OverlapPolicy, OverlapDecision>> = {
      skip: { state: 'skipped', reason: 'overlap', displacesWaiting: false, cancelsRunning: false },
      queue: { state: 'queued', reason: null, displacesWaiting: false, cancelsRunning: false },
      queue_one: { state: 'queued', reason: null, displacesWaiting: true, cancelsRunning: false },
      allow: { state: 'running', reason: null, displacesWaiting: false, cancelsRunning: false },
      cancel_running: { state: 'queued', reason: null, displacesWaiting: true, cancelsRunning: true },
    }
    for (const policy of policies) expect(decideOverlap(situation(policy, { running: 1 }))).toEqual(table[policy])
  })

  it('treats a pending occurrence as active; under queue_one and cancel_running a new occurrence replaces the pending one', () => {
    expect(decideOverlap(situation('skip', { pending: 1 })).state).toBe('skipped')
    expect(decideOverlap(situation('queue', { pending: 1 })).state).toBe('queued')
    for (const policy of ['queue_one', 'cancel_running'] as const) {
      const expected = { state: 'running', reason: null, displacesWaiting: true, cancelsRunning: false }
      expect(decideOverlap(situation(policy, { pending: 1 }))).toEqual(expected)
      expect(decideOverlap(situation(policy, { pending: 1, startable: false })).state).toBe('pending')
    }
  })

  it('queues up to maxQueued slots, skips further slots and rejects further requests', () => {
    expect(decideOverlap(situation('queue', { running: 1, queued: 1 })).state).toBe('queued')
    const full = decideOverlap(situation('queue', { running: 1, queued: 2 }))
    expect([full.state, full.reason]).toEqual(['skipped', 'queue_full'])
    for (const kind of ['trigger', 'replay'] as const) {
      const refused = decideOverlap(situation('queue', { running: 1, queued: 2, kind }))
      expect([refused.state, refused.reason]).toEqual(['refused', 'queue_full'])
    }
  })

  it('skips the slots of a paused job, and keeps its triggers pending', () => {
    for (const policy of policies) {
      const paused = decideOverlap(situation(policy, { slotPaused: true, running: 1, queued: 1 }))
      expect(paused).toEqual({ state: 'skipped', reason: 'paused', displacesWaiting: false, cancelsRunning: false })
      const trigger = situation(policy, { startable: false, slotPaused: true, kind: 'trigger' })
      expect(decideOverlap(trigger).state).toBe('pending')
      // The clock of the slot's sender is ahead. So the slot lies after the end of the pause, although the pause still lasts
      // now. The storage then does not skip the slot: the slot waits as pending.
      expect(decideOverlap(situation(policy, { startable: false })).state).toBe('pending')
    }
  })

  it('never skips a run that recovers a missed slot', () => {
    for (const policy of policies) {
      expect(decideRecoveredRun({ policy, maxQueued: 0 }, 0)).toBe('pending')
      expect(decideRecoveredRun({ policy, maxQueued: 0 }, 1)).toBe(policy === 'allow' ? 'pending' : 'queued')
    }
  })

  it('neither skips nor rejects a new occurrence while superseded slots of its job wait and no occurrence runs', () => {
    const left = { superseded: true, pending: 1, queued: 5 }
    expect(decideOverlap(situation('skip', left)).state).toBe('queued')
    expect(decideOverlap(situation('skip', { ...left, pending: 0 })).state).toBe('running')
    expect(decideOverlap(situation('skip', { ...left, running: 1 })).reason).toBe('overlap')
    expect(decideOverlap(situation('queue', left)).state).toBe('queued')
    expect(decideOverlap(situation('queue', { ...left, running: 1 })).state).toBe('queued')
    expect(decideOverlap(situation('queue', { ...left, running: 1, superseded: false })).reason).toBe('queue_full')
    expect(decideOverlap(situation('allow', left)).state).toBe('running')
  })
})

describe('judgeCreate', () => {
  const head: HeadState = { version: 2, watermark: 100, nextAt: 200, pruneFloor: 40, deletedAt: null }

  it('checks for the outcomes exists, absent, pruned, stale_version and off_schedule in this order', () => {
    const wrong = { ...slot, scheduledAt: 40, jobVersion: 1 }
    expect(judgeCreate(wrong, { ...head, deletedAt: 1 }, true)).toBe('exists')
    expect(judgeCreate(wrong, { ...head, deletedAt: 1 }, false)).toEqual({ outcome: 'absent' })
    expect(judgeCreate(wrong, null, false)).toEqual({ outcome: 'absent' })
    expect(judgeCreate(wrong, head, false)).toEqual({ outcome: 'pruned', pruneFloor: 40 })
    const stale = { ...wrong, scheduledAt: 41 }
    expect(judgeCreate(stale, head, false)).toEqual({ outcome: 'stale_version', version: 2 })
    const early = { ...stale, jobVersion: 2 }
    expect(judgeCreate(early, head, false)).toEqual({ outcome: 'off_schedule', watermark: 100, nextAt: 200 })
    expect(judgeCreate(slot, head, false)).toBe('create')
  })

  it('answers stale_version if the request’s job version is not stored yet', () => {
    const ahead = { ...slot, jobVersion: 3 }
    expect(judgeCreate(ahead, head, false)).toEqual({ outcome: 'stale_version', version: 2 })
  })

  it('accepts a trigger at any time, and accepts a cancellation ahead only for a slot after the watermark', () => {
    const { nextAt: _, ...base } = slot
    const trigger: CreateItem = { ...base, kind: 'trigger', dueAt: 50, scheduledAt: 50 }
    expect(judgeCreate(trigger, head, false)).toBe('create')
    const exclusion = (scheduledAt: number): CreateItem => ({ ...base, kind: 'exclusion', scheduledAt, reason: '' })
    expect(judgeCreate(exclusion(101), head, false)).toBe('create')
    expect(judgeCreate(exclusion(100), head, false)).toMatchObject({ outcome: 'off_schedule' })
  })

  it('accepts a recovery at the current watermark, even if the last slot of the recovery was canceled ahead', () => {
    const { id, jobId, scheduledAt, jobVersion } = slot
    const address = { id, jobId, scheduledAt, jobVersion }
    const recovery = (expectedWatermark: number): CreateItem => ({
      ...address,
      kind: 'recovery',
      expectedWatermark,
      watermark: 200,
      nextAt: 300,
      entries: [],
    })
    expect(judgeCreate(recovery(100), head, false)).toBe('create')
    expect(judgeCreate(recovery(100), head, true)).toBe('create')
    expect(judgeCreate(recovery(90), head, true)).toBe('exists')
    expect(judgeCreate(recovery(90), head, false)).toMatchObject({ outcome: 'off_schedule', watermark: 100 })
  })

  it('moves a job past its next slot if the slot has a record, unless the request states an older job version', () => {
    expect(passesSlot(slot, head)).toBe(true)
    expect(passesSlot({ ...slot, jobVersion: 1 }, head)).toBe(false)
    expect(passesSlot(slot, { ...head, nextAt: 300 })).toBe(false)
    expect(passesSlot(slot, { ...head, deletedAt: 1 })).toBe(false)
  })
})

describe('the head of a job', () => {
  const head = createdJob(job, content, null, 100)

  it('starts as version 1, and its watermark is the time of its creation', () => {
    expect(head).toEqual({
      ...content,
      id: job,
      version: 1,
      lineage: [],
      watermark: 100,
      pruneFloor: null,
      paused: null,
      cancelsBelow: null,
      createdAt: 100,
      changedAt: 100,
      deletedAt: null,
    })
  })

  it('gets a new version by an update, and keeps its watermark', () => {
    const paused = { at: 1, reason: null, actor: null }
    const running = { ...head, watermark: 200, nextAt: 300, paused, pruneFloor: 50 }
    const next = { content: { ...content, fingerprint: 'print-2', nextAt: 250 }, waiting: 'keep' } as const
    const replaced = replacedJob(running, next, 220)
    const expected = { fingerprint: 'print-2', version: 2, lineage: ['print-1'], nextAt: 250, changedAt: 220 }
    expect(replaced).toEqual({ ...running, ...expected })
    const change = { content: { fingerprint: 'print-2' }, expectedVersion: 1 }
    expect([isRepeatedReplace(replaced, change), isRepeatedReplace(head, change)]).toEqual([true, false])
    expect(isRepeatedReplace(replaced, { content: { fingerprint: 'print-3' }, expectedVersion: 1 })).toBe(false)
  })

  it('is set back by an update whose setBackTo is before the watermark and whose next slot is after the prune floor', () => {
    const ahead = { ...head, watermark: 500, nextAt: 600, pruneFloor: 200 }
    const back = (setBackTo: number, nextAt: number | null) => mayReplace(ahead, { content: { nextAt }, setBackTo })
    expect([back(499, 500), back(100, 201), back(300, null)]).toEqual([true, true, true])
    expect([back(500, 600), back(501, 600), back(100, 200), back(300, 300)]).toEqual([false, false, false, false])
    expect(mayReplace({ ...ahead, pruneFloor: null }, { content: { nextAt: 101 }, setBackTo: 100 })).toBe(true)
    const next = { content: { ...content, nextAt: 300 }, waiting: 'keep' } as const
    expect(replacedJob(ahead, { ...next, setBackTo: 250 }, 250)).toMatchObject({ watermark: 250, pruneFloor: 200 })
    expect(replacedJob(ahead, next, 250).watermark).toBe(500)
  })

  it('is not changed by an update whose next slot is at or before the prune floor', () => {
    const pruned = { watermark: 100, pruneFloor: 200 }
    const verdicts = [199, 200, 201, null].map((nextAt) => mayReplace(pruned, { content: { nextAt } }))
    expect(verdicts).toEqual([false, false, true, true])
    expect(mayReplace({ ...pruned, pruneFloor: null }, { content: { nextAt: 50 } })).toBe(true)
  })

  it('keeps its cancelsBelow until another update cancels waiting runs, or until the job is deleted', () => {
    const change = (fingerprint: string, waiting: 'keep' | 'cancel', expectedVersion: number) => {
      return { content: { ...content, fingerprint }, waiting, expectedVersion }
    }
    const canceling = change('print-2', 'cancel', 1)
    const second = replacedJob(head, canceling, 200)
    const third = replacedJob(second, change('print-3', 'keep', 2), 300)
    const fourth = replacedJob(third, change('print-4', 'cancel', 3), 400)
    const below = [head, second, third, fourth, deletedJob(fourth, 500)].map(({ cancelsBelow }) => cancelsBelow)
    expect(below).toEqual([null, 2, 2, 4, null])
    const goesOn = [head, second, third, fourth].map((stored) => goesOnCanceling(stored, canceling))
    expect(goesOn).toEqual([false, true, true, false])
    expect(goesOnCanceling({ ...second, cancelsBelow: null }, canceling)).toBe(false)
    expect(goesOnCanceling(second, change('print-2', 'keep', 1))).toBe(false)
    expect([second, third].map((stored) => goesOnCanceling(stored, change('other', 'cancel', 1)))).toEqual([
      false,
      false,
    ])
  })

  it('supersedes the slots of earlier versions if these slots have not started', () => {
    const waits = { kind: 'slot', jobVersion: 1, token: 0 } as const
    expect(isSuperseded({ cancelsBelow: 2 }, waits)).toBe(true)
    expect(isSuperseded({ cancelsBelow: null }, waits)).toBe(false)
    const kept = [{ kind: 'trigger' }, { kind: 'replay' }, { jobVersion: 2 }, { token: 1 }] as const
    for (const change of kept) expect(isSuperseded({ cancelsBelow: 2 }, { ...waits, ...change })).toBe(false)
  })

  it('becomes a tombstone from which a new job of the same name takes versions, watermark, prune floor and lineage', () => {
    const dead = { ...deletedJob({ ...head, watermark: 500, nextAt: 600 }, 300), pruneFloor: 50 }
    expect(dead).toMatchObject({ deletedAt: 300, changedAt: 300, nextAt: null, watermark: 500 })
    const again = createdJob(job, { ...content, fingerprint: 'print-2' }, dead, 400)
    const expected = { version: 2, watermark: 500, pruneFloor: 50, createdAt: 400, deletedAt: null, paused: null }
    expect(again).toMatchObject({ ...expected, lineage: ['print-1'] })
    expect(createdJob(job, content, dead, 700).watermark).toBe(700)
  })

  it('keeps the fingerprints of the last 32 versions before the present version', () => {
    const lineage = Array.from({ length: maxLineage }, (_, index) => `${index}`)
    const next = nextLineage({ fingerprint: 'new', lineage })
    expect([next.length, next[0], next.at(-1)]).toEqual([32, 'new', '30'])
  })
})

describe('the record of an occurrence', () => {
  const pending = createdOccurrence(slot, { state: 'pending', reason: null }, owner, 210)
  const running = createdOccurrence(slot, { state: 'running', reason: null }, owner, 210)

  it('has no owner, no task runs and the token 0 before the occurrence starts', () => {
    const started = { state: 'running', token: 1, owner, startedAt: 210, deadlineAt: 260, runs: slot.runs, dueAt: 200 }
    expect(running).toMatchObject({ ...started, finishedAt: null, reason: null, jobVersion: 2 })
    expect(pending).toMatchObject({
      state: 'pending',
      token: 0,
      owner: null,
      startedAt: null,
      deadlineAt: null,
      runs: [],
    })
    const skipped = createdOccurrence(slot, { state: 'skipped', reason: 'overlap' }, owner, 210)
    expect(skipped).toMatchObject({ state: 'skipped', reason: 'overlap', finishedAt: 210, token: 0, runs: [] })
  })

  it('gets a greater token with each claim, and each claim resets the sequence to 0', () => {
    expect(claimed(pending, owner, 220)).toMatchObject({ state: 'running', token: 1, startedAt: 220, deadlineAt: 270 })
    const released = handedBack({ ...running, sequence: 4 }, { dueAt: 400, reason: 'shutdown', jobDeleted: false }, 230)
    const expected = { state: 'pending', token: 1, sequence: 4, owner, startedAt: 210, deadlineAt: null, dueAt: 400 }
    expect(released).toMatchObject({ ...expected, reason: 'shutdown', finishedAt: null })
    const other = { node: 'node-b', incarnation: 'node-b-1' }
    expect(claimed(released, other, 400)).toMatchObject({ token: 2, sequence: 0, owner: other, reason: null })
  })

  it('is canceled if it is handed back after its job was deleted', () => {
    const handed = handedBack(running, { dueAt: 400, reason: 'shutdown', jobDeleted: true }, 230)
    expect(handed).toMatchObject({ state: 'canceled', reason: 'deleted', finishedAt: 230, deadlineAt: null })
  })

  it('changes only its state when it moves between pending and queued', () => {
    expect(requeued({ ...pending, reason: 'shutdown' })).toEqual({ ...pending, state: 'queued' })
    expect(woken(requeued(pending))).toEqual(pending)
  })

  it('gets its final state, reason and instant at its end, and keeps its owner', () => {
    const change = { state: 'failed', reason: 'task_failed', runs: [], sequence: 3 } as const
    const expected = { state: 'failed', reason: 'task_failed', finishedAt: 240, deadlineAt: null, token: 1, owner }
    expect(finished(running, change, 240)).toEqual({ ...running, ...expected, runs: [], sequence: 3 })
    expect(ended(running, 'failed', 'task_failed', 240)).toEqual({ ...running, ...expected })
  })

  it('keeps the first request to cancel', () => {
    const first = { at: 1, reason: 'first', actor: 'kim' }
    const second = { at: 2, reason: 'second', actor: null }
    expect(askedToCancel(askedToCancel(running, first), second).cancelRequest).toEqual(first)
    const forced = canceledBy(askedToCancel(running, first), second, 240)
    expect(forced).toMatchObject({ state: 'canceled', reason: 'second', cancelRequest: first, finishedAt: 240 })
    expect(canceledBy(pending, second, 240).cancelRequest).toEqual(second)
  })

  it('is marked as recovered if it recovers a missed slot', () => {
    const run = { kind: 'run', id: slot.id, scheduledAt: 200, executionTimeoutMs: 50, details: {} } as const
    const recovered = recoveredOccurrence(slot, run, 'queued', 900)
    expect(recovered).toMatchObject({ state: 'queued', recovered: true, dueAt: 200, createdAt: 900, finishedAt: null })
    const span = { from: 200, to: 800, count: 7 }
    const missed = { kind: 'missed', id: slot.id, scheduledAt: 200, reason: 'mark_as_missed', span } as const
    const expected = { state: 'missed', recovered: true, reason: 'mark_as_missed', details: { span }, finishedAt: 900 }
    expect(recoveredOccurrence(slot, missed, 'queued', 900)).toMatchObject(expected)
  })
})

describe('judgeSettle', () => {
  const finish: SettleChange = { kind: 'finish', state: 'completed', reason: null }
  const release: SettleChange = { kind: 'release', dueAt: 1, reason: null }
  const progress: SettleChange = { kind: 'progress' }
  const said = (sequence: number, change: SettleChange, token = 2) => ({ token, sequence, change })
  const owner = { node: 'a', incarnation: 'a-1' }
  const stored = (state: OccurrenceState) => ({ state, token: 2, owner, sequence: 5 })

  it('applies a new sequence, answers `repeated` for the stored sequence, and rejects an older sequence', () => {
    for (const change of [finish, release, progress]) {
      expect(judgeSettle(stored('running'), said(6, change))).toBe('apply')
      expect(judgeSettle(stored('running'), said(9, change))).toBe('apply')
      expect(judgeSettle(stored('running'), said(5, change))).toBe('repeated')
      expect(judgeSettle(stored('running'), said(4, change))).toBe('lost')
    }
  })

  it('rejects an owner of another incarnation under the same token, whatever its sequence', () => {
    const other = { node: 'a', incarnation: 'a-2' }
    for (const change of [finish, release, progress]) {
      for (const sequence of [5, 6]) {
        expect(judgeSettle(stored('running'), { ...said(sequence, change), owner: other })).toBe('lost')
      }
      expect(judgeSettle(stored('running'), { ...said(6, change), owner })).toBe('apply')
      expect(judgeSettle(stored('running'), { ...said(5, change), owner })).toBe('repeated')
    }
    expect(judgeSettle({ ...stored('pending'), owner: null }, { ...said(5, release), owner })).toBe('lost')
    expect(judgeSettle(stored('completed'), { ...said(5, finish), owner: other })).toBe('lost')
  })

  it('rejects every fencing token except the current one', () => {
    for (const token of [0, 1, 3]) expect(judgeSettle(stored('running'), said(6, finish, token))).toBe('lost')
    for (const state of ['pending', 'failed_stale', 'canceled'] as const) {
      expect(judgeSettle(stored(state), said(6, finish))).toBe('lost')
    }
  })

  it('answers `repeated` for the finish that ended the occurrence, or for the release that handed the occurrence back', () => {
    expect(judgeSettle(stored('completed'), said(5, finish))).toBe('repeated')
    expect(judgeSettle(stored('failed'), said(5, finish))).toBe('lost')
    expect(judgeSettle(stored('completed'), said(5, progress))).toBe('lost')
    for (const state of ['pending', 'queued', 'canceled'] as const) {
      expect(judgeSettle(stored(state), said(5, release))).toBe('repeated')
    }
    expect(judgeSettle(stored('completed'), said(5, release))).toBe('lost')
  })
})

describe('pruning in the storage', () => {
  const record: OccurrenceRecord = createdOccurrence(slot, { state: 'skipped', reason: 'overlap' }, owner, 210)
  const span = { from: 200, to: 500, count: 4 }

  it('keeps records that are live, are newer than `before`, or lie at or after the next slot of their job', () => {
    expect(isPrunable(record, 201, 201)).toBe(true)
    expect(isPrunable(record, 200, 201)).toBe(false)
    expect(isPrunable(record, 201, 200)).toBe(false)
    expect(isPrunable(record, 201, null)).toBe(true)
    expect(isPrunable({ ...record, state: 'running' }, 201, null)).toBe(false)
    expect(isPrunable({ ...record, details: { span } }, 500, 501)).toBe(false)
    expect(isPrunable({ ...record, details: { span } }, 501, 501)).toBe(true)
    expect(isPrunable({ ...record, details: { span } }, 501, 500)).toBe(false)
  })

  it('raises the prune floor to the last slot that a removed record covers', () => {
    expect(lastSlotOf(record)).toBe(200)
    expect(lastSlotOf({ ...record, details: { span } })).toBe(500)
  })
})

it('the shard of a job is the first byte of its id', () => {
  expect(shardOf('job_00c04fd4-30c8-5000-8000-000000000000')).toBe(0)
  expect(shardOf('job_9dad11d1-80b4-5000-8000-000000000000')).toBe(0x9d)
  expect(shardOf('job_ff000000-0000-5000-8000-000000000000')).toBe(255)
})
