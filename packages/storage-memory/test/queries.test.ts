import type { JobId } from '@jobistemer/core'
import type { OccurrenceQuery, OccurrenceRecord, OccurrenceState } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { firstAttempt, minute, Node, slotAt, slotItem, start, triggerItem } from './world.ts'

type WithoutPage<Query> = Query extends OccurrenceQuery ? Omit<Query, 'cursor'> : never

async function pages(node: Node, query: WithoutPage<OccurrenceQuery>): Promise<(readonly OccurrenceRecord[])[]> {
  const found: (readonly OccurrenceRecord[])[] = []
  let cursor: string | null = null
  do {
    const page = await node.storage.listOccurrences({ ...query, cursor })
    found.push(page.items)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

function times(records: readonly OccurrenceRecord[]): readonly number[] {
  return records.map(({ scheduledAt }) => (scheduledAt - start) / minute)
}

/** Adds a job with the finished slots 1 to `count`. Returns its id. */
async function withHistory(node: Node, count: number): Promise<JobId> {
  const job = await node.addJob('alpha', 'allow')
  const items = Array.from({ length: count }, (_, index) => slotItem(job, index + 1, { runs: firstAttempt(start) }))
  await node.storage.createOccurrences({ now: slotAt(count), owner: node.owner, items })
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  const settles = items.map((item) => ({ ...item, token: 1, sequence: 1, runs: [], change }))
  await node.storage.settle({ now: slotAt(count), items: settles })
  return job
}

describe('a list of a job’s occurrences in the memory storage', () => {
  const base = { kind: 'job', runs: false, order: 'ascending' } as const

  it('contains each occurrence of a span once across its pages, in ascending and in descending order', async () => {
    const node = new Node()
    const jobId = await withHistory(node, 10)
    const range = { ...base, jobId, from: slotAt(2), to: slotAt(9) }
    const rising = await pages(node, { ...range, limit: 3 })
    expect(rising.map(times)).toEqual([[2, 3, 4], [5, 6, 7], [8]])
    const falling = await pages(node, { ...range, order: 'descending', limit: 3 })
    expect(falling.map(times)).toEqual([[8, 7, 6], [5, 4, 3], [2]])
    expect((await pages(node, { ...range, limit: 7 })).map(times)).toEqual([[2, 3, 4, 5, 6, 7, 8]])
  })

  it('orders occurrences of equal instants by id, across pages', async () => {
    const node = new Node()
    const jobId = await node.addJob('alpha', 'allow')
    for (const key of ['e', 'b', 'd', 'a', 'c']) await node.create(triggerItem(jobId, key, slotAt(1)))
    const rising = (await pages(node, { ...base, jobId, limit: 2 })).flat().map(({ details }) => details.requestKey)
    expect(rising).toEqual(['a', 'b', 'c', 'd', 'e'])
    const falling = (await pages(node, { ...base, jobId, order: 'descending', limit: 2 })).flat()
    expect(falling.map(({ details }) => details.requestKey)).toEqual(rising.toReversed())
  })

  it('has one page if the query names only live states, and several short pages if it needs a long history', async () => {
    const node = new Node()
    const jobId = await withHistory(node, 25_000)
    const live = [triggerItem(jobId, 'first', start + 1), triggerItem(jobId, 'last', slotAt(30_000))]
    for (const item of live) await node.create(item)
    const states: readonly OccurrenceState[] = ['pending', 'running', 'queued']
    const one = await pages(node, { ...base, jobId, states, limit: 9 })
    expect(one.map((page) => page.map(({ id }) => id))).toEqual([live.map(({ id }) => id)])
    const falling = await pages(node, { ...base, jobId, states, order: 'descending', limit: 1 })
    expect(falling.map((page) => page.map(({ id }) => id))).toEqual(live.map(({ id }) => [id]).toReversed())
    const mixed = await pages(node, { ...base, jobId, states: ['pending', 'failed'], limit: 9 })
    expect(mixed.length).toBeGreaterThan(1)
    expect(mixed.flat().map(({ id }) => id)).toEqual(live.map(({ id }) => id))
  })

  it('continues after a page while records are added and removed', async () => {
    const node = new Node()
    const jobId = await withHistory(node, 6)
    const query = { ...base, jobId, limit: 3 }
    const first = await node.storage.listOccurrences({ ...query, cursor: null })
    await node.storage.prune({ now: slotAt(9), jobId: null, before: slotAt(5), keep: 0, limit: 100 })
    await node.create(triggerItem(jobId, 'new', slotAt(9)))
    const second = await node.storage.listOccurrences({ ...query, cursor: first.cursor })
    expect([times(first.items), times(second.items), second.cursor]).toEqual([[1, 2, 3], [5, 6, 9], null])
  })

  it('refuses an invalid cursor', async () => {
    const node = new Node()
    const jobId = await withHistory(node, 1)
    for (const cursor of ['', 'x', 'x y', '1 2 3']) {
      const listed = node.storage.listOccurrences({ ...base, jobId, limit: 1, cursor })
      await expect(listed).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'cursor', value: cursor })
    }
  })
})

describe('a list of live occurrences in the memory storage', () => {
  it('with the filter `node` or `deadlineBefore` contains only the matching running occurrences', async () => {
    const node = new Node()
    const other = new Node(node.storage, 'node-b')
    const job = await node.addJob('alpha', 'allow')
    for (const [index, timeout] of [5, 1, 3, 4, 2].entries()) {
      const runs = firstAttempt(slotAt(1))
      const item = triggerItem(job, `${timeout}`, slotAt(1), { executionTimeoutMs: timeout * minute, runs })
      await (index % 2 === 0 ? node : other).create(item)
    }
    const base = { kind: 'live', state: 'running', runs: false } as const
    const keys = (records: readonly OccurrenceRecord[]) => records.map(({ details }) => Number(details.requestKey))
    const overdue = await pages(node, { ...base, deadlineBefore: slotAt(4), limit: 2 })
    expect(overdue.flat().length).toBe(3)
    expect(keys(overdue.flat()).sort()).toEqual([1, 2, 3])
    expect(keys((await pages(node, { ...base, node: 'node-b', limit: 1 })).flat()).sort()).toEqual([1, 4])
    expect(keys((await pages(node, { ...base, limit: 1 })).flat()).sort()).toEqual([1, 2, 3, 4, 5])
  })

  it('contains each occurrence once while listed occurrences end, even if all have one deadline', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    const items = Array.from({ length: 50 }, (_, index) =>
      triggerItem(job, `${index}`, slotAt(1), { runs: firstAttempt(slotAt(1)) }),
    )
    await node.storage.createOccurrences({ now: slotAt(1), owner: node.owner, items })
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const query = { kind: 'live', state: 'running', runs: false, limit: 7, cursor } as const
      const page: { items: readonly OccurrenceRecord[]; cursor: string | null } =
        await node.storage.listOccurrences(query)
      for (const record of page.items) {
        seen.push(record.id)
        await node.finish(record)
      }
      cursor = page.cursor
    } while (cursor !== null)
    expect(seen.sort()).toEqual(items.map(({ id }) => id).sort())
  })
})

describe('a list of jobs in the memory storage', () => {
  it('is ordered by id, and contains only jobs that match the filters `changedSince`, `owner` and `deleted`', async () => {
    const node = new Node()
    const ids = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => node.addJob(name)))
    const [first, second] = ids as [JobId, JobId]
    const paused = { at: slotAt(1), reason: null, actor: null }
    await node.storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'pause', id: first, paused }] })
    await node.storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'delete', id: second, expectedVersion: null }] })
    const list = async (query: { changedSince?: number; owner?: string; deleted?: boolean }) => {
      const found: JobId[] = []
      let cursor: string | null = null
      do {
        const page: { items: readonly { id: JobId }[]; cursor: string | null } = await node.storage.listJobs({
          ...query,
          limit: 2,
          cursor,
        })
        found.push(...page.items.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== null)
      return found
    }
    expect(await list({})).toEqual(ids.filter((id) => id !== second).sort())
    expect(await list({ deleted: true })).toEqual(ids.toSorted())
    expect(await list({ changedSince: slotAt(1) })).toEqual([first])
    expect(await list({ changedSince: slotAt(1), deleted: true })).toEqual([first, second].sort())
    expect(await list({ owner: 'team' })).toEqual([])
  })
})
