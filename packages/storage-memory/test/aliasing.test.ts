import type { CreateItem, OccurrenceRecord } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { firstAttempt, jobContent, Node, slotAt, slotItem, start } from './world.ts'

// biome-ignore lint/suspicious/noExplicitAny: these tests write to `readonly` members on purpose.
type Anything = any

/** Tries to overwrite every primitive in `value`, also in nested objects. Frozen objects stay unchanged. */
function deface(value: Anything): void {
  if (typeof value !== 'object' || value === null) return
  for (const key of Object.keys(value)) {
    if (typeof value[key] === 'object' && value[key] !== null) deface(value[key])
    else Reflect.set(value, key, 'defaced')
  }
  if (Array.isArray(value)) Reflect.set(value, value.length, 'more')
}

function richSlot(item: ReturnType<typeof slotItem>): CreateItem {
  return {
    ...item,
    details: { data: { deep: [1, { two: 2 }] }, span: { from: 1, to: 2, count: 2 } },
    runs: [
      ...firstAttempt(slotAt(1)),
      {
        task: 'failed-before',
        state: 'retrying',
        attempts: [
          { number: 1, state: 'failed', startedAt: 1, endedAt: 2, error: { name: 'E', message: 'm' }, reason: 'r' },
        ],
        result: { rows: [1] },
        reason: 'why',
      },
    ],
  }
}

describe('an argument of a call to the memory storage', () => {
  it('may be changed by the caller after the call without changing the stored record', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const item = richSlot(slotItem(job, 1))
    const given = structuredClone(item)
    await node.create(given)
    const runs = structuredClone(firstAttempt(slotAt(1)))
    const settle = { ...slotItem(job, 1), token: 1, sequence: 1, runs, change: { kind: 'progress' as const } }
    const stored = await node.record(item)
    expect(stored).toMatchObject({ details: (item as Anything).details, runs: (item as Anything).runs })
    deface(given)
    expect(await node.record(item)).toEqual(stored)
    await node.storage.settle({ now: slotAt(1), items: [settle] })
    deface(settle.runs)
    expect((await node.record(item)).runs).toEqual(firstAttempt(slotAt(1)))
  })

  it('may be a definition that the caller changes afterwards without changing the stored definition', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const content = structuredClone({ ...jobContent('alpha'), definition: { list: [1, { two: 2 }] } })
    const watermark = start
    const change = { kind: 'replace', id: job, content, expectedVersion: 1, expectedWatermark: watermark } as const
    await node.storage.saveJobs({ now: start, changes: [{ ...change, waiting: 'keep' }] })
    const before = await node.head(job)
    deface(content)
    expect(await node.head(job)).toEqual(before)
  })
})

describe('an answer of the memory storage', () => {
  async function started(): Promise<{ node: Node; item: CreateItem }> {
    const node = new Node()
    const job = await node.addJob('alpha')
    const item = richSlot(slotItem(job, 1))
    await node.create(item)
    const request = { ...slotItem(job, 1), reason: 'by hand', actor: 'kim', mode: 'request' as const }
    await node.storage.cancel({ now: slotAt(1), items: [request] })
    return { node, item }
  }

  it('that contains occurrences may be changed without changing the stored record', async () => {
    const { node, item } = await started()
    const before = await node.record(item)
    const list = { kind: 'job', jobId: item.jobId, order: 'ascending', runs: true, limit: 9, cursor: null } as const
    const live = { kind: 'live', state: 'running', runs: true, limit: 9, cursor: null } as const
    for (const query of [list, live]) deface(await node.storage.listOccurrences(query))
    deface(await node.storage.get({ occurrences: [item.id] }))
    deface(await node.claim(slotAt(1)))
    deface(await node.create(item))
    expect(await node.record(item)).toEqual(before)
  })

  it('that contains claimed occurrences may be changed without changing the stored record', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const item = slotItem(job, 1, { details: { data: [1] } })
    await node.create(item)
    const { claimed } = await node.claim(slotAt(1))
    const before: OccurrenceRecord = structuredClone(claimed[0] as OccurrenceRecord)
    deface(claimed)
    expect(await node.record(item)).toEqual(before)
  })

  it('that contains heads and versions may be changed without changing the stored records', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const paused = { at: start, reason: 'r', actor: 'a' }
    await node.storage.saveJobs({ now: start, changes: [{ kind: 'pause', id: job, paused }] })
    const versions = [{ jobId: job, version: 1 }]
    const before = structuredClone(await node.storage.get({ jobs: [job], versions }))
    deface(await node.storage.get({ jobs: [job], versions }))
    deface(await node.storage.listJobs({ limit: 9, cursor: null }))
    deface(await node.storage.saveJobs({ now: start, changes: [{ kind: 'pause', id: job, paused }] }))
    expect(await node.storage.get({ jobs: [job], versions })).toEqual(before)
  })
})
