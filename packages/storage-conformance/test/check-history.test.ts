import { jobId } from '@jobistemer/core'
import type { Owner } from '@jobistemer/core/storage'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { checkHistory, History, type HistoryEvent, type HistoryRule } from '../src/index.ts'
import { recoveryItem, slotItem } from '../src/stage/create-items.ts'
import { slotAt, start } from '../src/stage/instants.ts'
import { TestNode } from '../src/stage/test-node.ts'

const job = { id: jobId('alpha'), name: 'alpha', version: 1 }
const owner: Owner = { node: 'node-a', incarnation: 'node-a-1' }
const first = slotItem(job, 1, { run: true })
const second = slotItem(job, 2, { run: true })

let counter = 0

type Without<T> = T extends unknown ? Omit<T, 'begin' | 'end'> : never

/** Returns history events that follow one another without overlap. */
function inOrder(...events: readonly Without<HistoryEvent>[]): readonly HistoryEvent[] {
  return events.map((event) => ({ ...event, begin: ++counter, end: ++counter }) as HistoryEvent)
}

function created(item = first, token = 1): Without<HistoryEvent> {
  const answer = {
    outcome: 'created',
    state: 'running',
    token,
    reason: null,
    displaced: [],
    cancelRequested: [],
  } as const
  return { method: 'createOccurrences', request: { now: start, owner, items: [item] }, answer: [answer] }
}

function exists(watermark: number): Without<HistoryEvent> {
  const answer = { outcome: 'exists', state: 'running', token: 1, owner, watermark, nextAt: null } as const
  return { method: 'createOccurrences', request: { now: start, owner, items: [first] }, answer: [answer] }
}

function finished(item = first, token = 1, sequence = 1): Without<HistoryEvent> {
  const { id, jobId: of, scheduledAt } = item
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  return {
    method: 'settle',
    request: { now: start, items: [{ id, jobId: of, scheduledAt, token, sequence, runs: [], change }] },
    answer: [{ outcome: 'ok', woken: null, cancelRequested: null }],
  }
}

function reaped(): Without<HistoryEvent> {
  const { id, jobId: of, scheduledAt } = first
  const item = { id, jobId: of, scheduledAt, token: 1, sequence: 0, runs: [], action: 'fail', reason: 'x' } as const
  return { method: 'reap', request: { now: start, items: [item] }, answer: [{ outcome: 'reaped', woken: null }] }
}

function rulesOf(events: readonly HistoryEvent[]): readonly HistoryRule[] {
  return checkHistory(events, () => 'skip').map(({ rule }) => rule)
}

/**
 * Returns the recorded call that sets a watermark back. Before the call, the watermark is the second slot. After the call, the
 * watermark is before the first slot.
 */
async function setBack(): Promise<Without<HistoryEvent>> {
  const history = new History()
  const node = new TestNode(history.record(memoryStorage()))
  const { id } = await node.createJob()
  await node.createAll([first, second])
  await node.setBack(id, { setBackTo: start + 1, nextAt: slotAt(1) })
  const last = history.events.at(-1)
  if (last === undefined) throw new Error('nothing was recorded')
  return last
}

/** Returns the recorded call that pauses the job, and the recorded call that stores a new version of the job. */
async function headChanges(): Promise<{
  readonly paused: Without<HistoryEvent>
  readonly replaced: Without<HistoryEvent>
}> {
  const history = new History()
  const node = new TestNode(history.record(memoryStorage()))
  await node.createJob()
  await node.pause(job.id)
  await node.replaceJob(job.id, {})
  const [, paused, replaced] = history.events
  if (paused === undefined || replaced === undefined) throw new Error('nothing was recorded')
  return { paused, replaced }
}

describe('checkHistory of the conformance kit', () => {
  it('accepts the calls of an owner in order, including repeated calls', () => {
    expect(
      rulesOf(inOrder(created(), finished(), finished(), created(second), exists(slotAt(2)), finished(second))),
    ).toEqual([])
  })

  it('reports an id that was created twice', () => {
    expect(rulesOf(inOrder(created(), finished(), created(first, 2)))).toContain('one creation')
  })

  it('reports a token that was given twice, and a token that is smaller than an earlier token', () => {
    expect(rulesOf(inOrder(created(), finished(), created()))).toContain('fencing')
    expect(rulesOf(inOrder(created(first, 2), created(first, 1)))).toContain('fencing')
  })

  it('reports a settle that was accepted with a token of an earlier owner', () => {
    expect(rulesOf(inOrder(created(), reaped(), finished()))).toContain('dead token')
    expect(rulesOf(inOrder(created(), created(first, 2), finished()))).toContain('dead token')
    expect(rulesOf(inOrder(created(), finished(), finished(first, 1, 2)))).toContain('dead token')
  })

  it('reports an occurrence that ended twice', () => {
    expect(rulesOf(inOrder(created(), finished(), reaped()))).toContain('final')
  })

  it('reports two runs of a job at the same time, unless its overlap policy is `allow`', () => {
    const events = inOrder(created(), created(second), finished(), finished(second))
    expect(rulesOf(events)).toContain('overlap')
    expect(checkHistory(events, () => 'allow')).toEqual([])
  })

  it('treats an occurrence as ended if a reap ended the occurrence before the answer to its creation arrived', () => {
    const events = [
      { ...created(), begin: 1, end: 4 },
      { ...reaped(), begin: 2, end: 3 },
    ] as readonly HistoryEvent[]
    counter = 10
    expect(rulesOf([...events, ...inOrder(created(second), finished(second))])).toEqual([])
  })

  it('accepts a watermark that a realign with `setBackTo` moved back, and reports a watermark that moves back later', async () => {
    const back = await setBack()
    expect(rulesOf(inOrder(exists(slotAt(2)), back, exists(slotAt(1))))).not.toContain('watermark')
    expect(rulesOf(inOrder(back, exists(slotAt(2)), exists(slotAt(1))))).toContain('watermark')
  })

  it('reports a watermark that moved back', () => {
    expect(rulesOf(inOrder(created(), exists(slotAt(2)), exists(slotAt(1))))).toContain('watermark')
  })

  it('reports a span of missed slots that was recovered twice', () => {
    const recover = (last: number) =>
      created(recoveryItem(job, last, { expectedWatermark: start, entries: [] }) as never)
    expect(rulesOf(inOrder(recover(3), recover(4)))).toContain('one recovery')
  })

  it('reports a start during a pause, unless the storage call that starts the run began before the pause', async () => {
    const { paused } = await headChanges()
    expect(rulesOf(inOrder(paused, created()))).toContain('pause')
    const overlapping = [
      { ...created(), begin: 1, end: 4 },
      { ...paused, begin: 2, end: 3 },
    ] as readonly HistoryEvent[]
    expect(rulesOf(overlapping)).not.toContain('pause')
  })

  it('reports an occurrence that was created under a replaced version', async () => {
    const { replaced } = await headChanges()
    expect(rulesOf(inOrder(replaced, created()))).toContain('version')
  })
})
