import { type JobId, missedRangeId, occurrenceId } from '@jobistemer/core'
import type { CreateRecovery, PruneAnswer } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { firstAttempt, jobContent, minute, Node, slotAt, slotItem, start, triggerItem } from './world.ts'

async function finished(node: Node, job: JobId, ...indexes: readonly number[]): Promise<void> {
  for (const index of indexes) {
    const item = slotItem(job, index, { runs: firstAttempt(slotAt(index)) })
    await node.create(item)
    await node.finish(item)
  }
}

function missedItem(job: JobId, from: number, to: number): CreateRecovery {
  const id = missedRangeId(job, slotAt(from))
  const span = { from: slotAt(from), to: slotAt(to), count: to - from + 1 }
  return {
    kind: 'recovery',
    id: occurrenceId(job, slotAt(to)),
    jobId: job,
    scheduledAt: slotAt(to),
    jobVersion: 1,
    expectedWatermark: slotAt(from - 1),
    watermark: slotAt(to),
    nextAt: slotAt(to + 1),
    entries: [{ kind: 'missed', id, scheduledAt: slotAt(from), reason: 'mark_as_missed', span }],
  }
}

async function left(node: Node, job: JobId): Promise<readonly number[]> {
  return (await node.history(job)).map(({ scheduledAt }) => (scheduledAt - start) / minute)
}

async function prune(node: Node, before: number, change: { keep?: number; limit?: number } = {}): Promise<PruneAnswer> {
  const { keep = 0, limit = 1000 } = change
  return node.storage.prune({ now: slotAt(99), jobId: null, before: slotAt(before), keep, limit })
}

describe('a prune of the memory storage', () => {
  it('removes the oldest occurrences up to the limit, answers whether more remain, and raises the prune floor', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    await finished(node, job, 1, 2, 3, 4, 5)
    expect(await prune(node, 5, { limit: 2 })).toEqual({ removed: 2, more: true })
    expect([await left(node, job), (await node.head(job)).pruneFloor]).toEqual([[3, 4, 5], slotAt(2)])
    expect(await prune(node, 5, { limit: 2 })).toEqual({ removed: 2, more: false })
    expect([await left(node, job), (await node.head(job)).pruneFloor]).toEqual([[5], slotAt(4)])
    expect(await node.create(slotItem(job, 2))).toEqual({ outcome: 'pruned', pruneFloor: slotAt(4) })
  })

  it('continues with the next job until its limit is reached', async () => {
    const node = new Node()
    const jobs = [await node.addJob('alpha'), await node.addJob('beta')]
    for (const job of jobs) await finished(node, job, 1, 2)
    expect(await prune(node, 9, { limit: 3 })).toEqual({ removed: 3, more: true })
    expect(await prune(node, 9, { limit: 3 })).toEqual({ removed: 1, more: false })
    for (const job of jobs) expect(await left(node, job)).toEqual([])
  })

  it('keeps the latest ended occurrences of each job, and all live occurrences', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    const held = slotItem(job, 1, { runs: firstAttempt(slotAt(1)) })
    await node.create(held)
    await finished(node, job, 2, 3, 4)
    expect(await prune(node, 9, { keep: 2 })).toEqual({ removed: 1, more: false })
    expect(await left(node, job)).toEqual([1, 3, 4])
    expect(await prune(node, 9)).toEqual({ removed: 2, more: false })
    expect(await left(node, job)).toEqual([1])
    expect(await node.create(held)).toMatchObject({ outcome: 'exists', state: 'running' })
    await node.finish(held)
    expect(await prune(node, 9)).toEqual({ removed: 1, more: false })
    expect((await node.head(job)).pruneFloor).toBe(slotAt(4))
  })

  it('removes occurrences between the watermark and the next slot, and keeps later occurrences', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const trigger = triggerItem(job, 'by-hand', slotAt(0) + 1, { runs: firstAttempt(start) })
    await node.create(trigger)
    await node.finish(trigger)
    const later = triggerItem(job, 'later', slotAt(1) + 1, { runs: firstAttempt(slotAt(1)) })
    await node.create(later)
    await node.finish(later)
    expect(await prune(node, 9)).toEqual({ removed: 1, more: false })
    expect((await node.head(job)).pruneFloor).toBe(slotAt(0) + 1)
    await finished(node, job, 1)
    expect(await prune(node, 9)).toEqual({ removed: 2, more: false })
  })

  it('removes a record of missed slots only if all these slots are old, and raises the prune floor to the last', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    await finished(node, job, 1)
    await node.create(missedItem(job, 2, 5))
    await finished(node, job, 6)
    expect(await prune(node, 5)).toEqual({ removed: 1, more: false })
    expect([await left(node, job), (await node.head(job)).pruneFloor]).toEqual([[2, 6], slotAt(1)])
    expect(await prune(node, 6)).toEqual({ removed: 1, more: false })
    expect((await node.head(job)).pruneFloor).toBe(slotAt(5))
  })

  it('removes job versions to which no record refers', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    await finished(node, job, 1)
    for (const version of [1, 2]) {
      const content = { ...jobContent('alpha'), fingerprint: `print-${version + 1}`, nextAt: slotAt(2) }
      const expected = { expectedVersion: version, expectedWatermark: slotAt(1) }
      const change = { kind: 'replace', id: job, content, ...expected, waiting: 'keep' } as const
      await node.storage.saveJobs({ now: slotAt(1), changes: [change] })
    }
    const versions = async (): Promise<readonly (number | undefined)[]> => {
      const answer = await node.storage.get({ versions: [1, 2, 3].map((version) => ({ jobId: job, version })) })
      return answer.versions.map((record) => record?.version)
    }
    expect(await versions()).toEqual([1, 2, 3])
    await prune(node, 1)
    expect(await versions()).toEqual([1, undefined, 3])
    await prune(node, 9)
    expect(await versions()).toEqual([undefined, undefined, 3])
  })

  it('removes an old tombstone with its last occurrence, whatever its watermark is', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const trigger = triggerItem(job, 'by-hand', slotAt(0) + 1, { runs: firstAttempt(start) })
    await node.create(trigger)
    await node.finish(trigger)
    await node.storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'delete', id: job, expectedVersion: null }] })
    await prune(node, 2)
    expect((await node.head(job)).deletedAt).toBe(slotAt(2))
    expect(await left(node, job)).toEqual([])
    await prune(node, 3)
    expect(await node.storage.get({ jobs: [job], versions: [{ jobId: job, version: 1 }] })).toMatchObject({
      jobs: [null],
      versions: [null],
    })
    await node.addJob('alpha')
    expect((await node.head(job)).version).toBe(1)
  })
})
