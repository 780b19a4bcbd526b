import assert from 'node:assert/strict'
import { jobId, type OccurrenceId } from '@jobistemer/core'
import type { OccurrenceQuery, OccurrenceRecord } from '@jobistemer/core/storage'
import { readPages } from '../ledger/read-ledger.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { type JobHandle, missedEntry, recoveryItem, requestItem, slotAddress } from '../stage/create-items.ts'
import { slotAt, start } from '../stage/instants.ts'
import { firstAttempt } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'

type HistoryQuery = Partial<Extract<OccurrenceQuery, { kind: 'job' }>> &
  Pick<Extract<OccurrenceQuery, { kind: 'job' }>, 'jobId'>
type LiveQuery = Partial<Extract<OccurrenceQuery, { kind: 'live' }>> &
  Pick<Extract<OccurrenceQuery, { kind: 'live' }>, 'state'>

async function history(node: TestNode, query: HistoryQuery): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    node.storage.listOccurrences({ kind: 'job', order: 'ascending', runs: true, limit: 100, ...query, cursor }),
  )
}

async function live(node: TestNode, query: LiveQuery): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    node.storage.listOccurrences({ kind: 'live', runs: true, limit: 100, ...query, cursor }),
  )
}

function ids<Id extends string>(records: readonly { readonly id: Id }[]): readonly Id[] {
  return records.map((record) => record.id)
}

export const getCases: readonly StorageCase[] = caseGroup('get', {
  'answers stand in the order of the ids, null for what does not exist': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const first = await node.record(await node.addSlot(alpha, 1, 'pending'))
    const second = await node.record(await node.addSlot(beta, 1, 'pending'))
    const answer = await node.storage.get({
      jobs: [beta.id, jobId('never'), alpha.id, beta.id],
      occurrences: [second.id, slotAddress(alpha, 2).id, first.id, second.id],
    })
    assert.deepEqual(ids(answer.jobs.map((job) => job ?? { id: 'null' })), [beta.id, 'null', alpha.id, beta.id])
    assert.deepEqual(answer.occurrences, [second, null, first, second])
    assert.deepEqual(answer.versions, [])
  },

  'an empty request answers empty lists': async (world) => {
    const node = await TestNode.connect(world)
    const nothing = { jobs: [], versions: [], occurrences: [], counts: [], latest: [] }
    assert.deepEqual(await node.storage.get({}), nothing)
    assert.deepEqual(await node.storage.get(nothing), nothing)
  },

  'hundreds of ids can be asked for at once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.addSlot(job, 1, 'pending')
    const wanted = Array.from({ length: 600 }, (_, index) => slotAddress(job, 600 - index).id)
    const { occurrences } = await node.storage.get({ occurrences: wanted })
    assert.equal(occurrences.length, 600)
    assert.deepEqual(
      occurrences.map((record) => record?.scheduledAt ?? null),
      wanted.map((_, index) => (index === 599 ? slotAt(1) : null)),
    )
  },
})

export const listJobsCases: readonly StorageCase[] = caseGroup('listJobs', {
  'jobs come in the order of their ids, on pages of any size, each exactly once': async (world) => {
    const node = await TestNode.connect(world)
    const expected: string[] = []
    for (let index = 0; index < 7; index++) expected.push((await node.createJob({ name: `job-${index}` })).id)
    expected.sort()
    for (const limit of [1, 2, 3, 7, 100]) {
      const seen: string[] = []
      await readPages(async (cursor) => {
        const page = await node.storage.listJobs({ limit, cursor })
        assert.ok(page.items.length <= limit, `a page of ${page.items.length} for the limit ${limit}`)
        seen.push(...ids(page.items))
        return page
      })
      assert.deepEqual(seen, expected, `with the limit ${limit}`)
    }
  },

  'a list returns whole heads': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue', owner: 'team' })
    await node.pause(job.id, start + 9)
    const { items, cursor } = await node.storage.listJobs({ limit: 100, cursor: null })
    assert.deepEqual([items, cursor], [[await node.head(job.id)], null])
  },

  'tombstones are listed only when asked for': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    await node.deleteJob(beta.id)
    const list = async (deleted?: boolean) =>
      ids(
        (await node.storage.listJobs({ limit: 100, cursor: null, ...(deleted === undefined ? {} : { deleted }) }))
          .items,
      )
    assert.deepEqual(await list(), [alpha.id])
    assert.deepEqual(await list(false), [alpha.id])
    assert.deepEqual(await list(true), [alpha.id, beta.id].sort())
  },

  'they can be narrowed to an owner tag': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ owner: 'team-a' })
    await node.createJob({ name: 'beta', owner: 'team-b' })
    await node.createJob({ name: 'gamma' })
    const { items } = await node.storage.listJobs({ limit: 100, cursor: null, owner: 'team-a' })
    assert.deepEqual(ids(items), [alpha.id])
    assert.deepEqual((await node.storage.listJobs({ limit: 100, cursor: null, owner: 'team' })).items, [])
  },

  'they can be narrowed to those changed since an instant, that instant included': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({}, start + 10)
    const beta = await node.createJob({ name: 'beta' }, start + 20)
    const since = async (changedSince: number, deleted = false) =>
      ids((await node.storage.listJobs({ limit: 100, cursor: null, changedSince, deleted })).items)
    assert.deepEqual(await since(start + 10), [alpha.id, beta.id].sort())
    assert.deepEqual(await since(start + 11), [beta.id])
    assert.deepEqual(await since(start + 21), [])
    await node.addSlot(alpha, 1, 'pending')
    assert.deepEqual(await since(start + 21), [], 'advancing the watermark is not a change')
    await node.pause(alpha.id, start + 30)
    assert.deepEqual(await since(start + 21), [alpha.id])
    await node.replaceJob(beta.id, {}, 'keep', start + 40)
    await node.deleteJob(alpha.id, start + 50)
    assert.deepEqual(await since(start + 40), [beta.id])
    assert.deepEqual(await since(start + 40, true), [alpha.id, beta.id].sort())
  },
})

export const listOccurrencesCases: readonly StorageCase[] = caseGroup('listOccurrences', {
  'the history of a job comes by time, then id, in both orders, on pages of any size': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const other = await node.createJob({ name: 'beta', policy: 'allow' })
    for (const index of [1, 2, 3]) {
      await node.addSlot(job, index, 'pending')
      await node.addSlot(other, index, 'pending')
      for (const key of ['a', 'b', 'c']) await node.addTrigger(job, key, slotAt(index), 'pending')
    }
    const all = [...(await history(node, { jobId: job.id }))]
    const sorted = [...all].sort((one, two) => one.scheduledAt - two.scheduledAt || (one.id < two.id ? -1 : 1))
    assert.equal(all.length, 12)
    assert.deepEqual(all, sorted)
    for (const limit of [1, 2, 5, 12, 13]) {
      assert.deepEqual(ids(await history(node, { jobId: job.id, limit })), ids(sorted), `limit ${limit}`)
      const backwards = await history(node, { jobId: job.id, limit, order: 'descending' })
      assert.deepEqual(ids(backwards), ids(sorted).toReversed(), `limit ${limit}, descending`)
    }
  },

  'a page never holds more than the limit': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3]) await node.addSlot(job, index, 'pending')
    const common = { runs: false, limit: 2, cursor: null } as const
    const pages = [
      await node.storage.listOccurrences({ kind: 'job', jobId: job.id, order: 'ascending', ...common }),
      await node.storage.listOccurrences({ kind: 'live', state: 'pending', ...common }),
    ]
    for (const page of pages) {
      assert.ok(page.items.length <= 2)
      assert.notEqual(page.cursor, null)
    }
  },

  'a list returns the same records as get': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.cancel(held)
    assert.deepEqual(await history(node, { jobId: job.id }), [await node.record(held), await node.record(queued)])
    assert.deepEqual(await live(node, { state: 'running' }), [await node.record(held)])
    assert.deepEqual(await live(node, { state: 'queued' }), [await node.record(queued)])
  },

  'task runs are left out when they are not wanted': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const record = await node.record(await node.startSlot(job, 1))
    assert.deepEqual(record.runs, firstAttempt(slotAt(1)))
    const bare = { ...record, runs: [] }
    assert.deepEqual(await history(node, { jobId: job.id, runs: false }), [bare])
    assert.deepEqual(await live(node, { state: 'running', runs: false }), [bare])
  },

  'a range of time includes its beginning and excludes its end': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3, 4]) await node.addSlot(job, index, 'pending')
    const times = async (query: Omit<HistoryQuery, 'jobId'>) =>
      (await history(node, { jobId: job.id, limit: 2, ...query })).map((record) => record.scheduledAt)
    assert.deepEqual(await times({ from: slotAt(2), to: slotAt(4) }), [slotAt(2), slotAt(3)])
    assert.deepEqual(await times({ from: slotAt(2) + 1 }), [slotAt(3), slotAt(4)])
    assert.deepEqual(await times({ to: slotAt(2) }), [slotAt(1)])
    assert.deepEqual(await times({ from: slotAt(2), to: slotAt(2) }), [])
    const backwards = await times({ from: slotAt(2), to: slotAt(4), order: 'descending' })
    assert.deepEqual(backwards, [slotAt(3), slotAt(2)])
  },

  'a history can be narrowed to states': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.finish(await node.startSlot(job, 1))
    const held = await node.startSlot(job, 2)
    const queued = await node.addSlot(job, 3, 'queued')
    const later = await node.addSlot(job, 4, 'queued')
    await node.cancel(later)
    const find = async (states: OccurrenceRecord['state'][]) =>
      ids(await history(node, { jobId: job.id, states, limit: 1 }))
    assert.deepEqual(await find(['running']), [held.id])
    assert.deepEqual(await find(['queued', 'canceled']), [queued.id, later.id])
    assert.deepEqual(await find(['completed', 'running']), [slotAddress(job, 1).id, held.id])
    assert.deepEqual(await find(['failed', 'missed']), [])
    const all = ids(await history(node, { jobId: job.id }))
    assert.equal(all.length, 4)
  },

  'the history of a job that does not exist is empty': async (world) => {
    const node = await TestNode.connect(world)
    assert.deepEqual(await history(node, { jobId: jobId('never') }), [])
  },

  'a range entry is listed at its first slot': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const range = missedEntry(job, 1, 5)
    await node.create(recoveryItem(job, 5, { expectedWatermark: start, entries: [range] }))
    assert.deepEqual(ids(await history(node, { jobId: job.id, to: slotAt(2) })), [range.id])
    assert.deepEqual(await history(node, { jobId: job.id, from: slotAt(2) }), [])
  },

  'live occurrences of all jobs are listed by state, each exactly once, on pages of any size': async (world) => {
    const node = await TestNode.connect(world)
    const expected: Record<'pending' | 'queued' | 'running', string[]> = { pending: [], queued: [], running: [] }
    for (let index = 0; index < 4; index++) {
      const job = await node.createJob({ name: `queue-${index}`, policy: 'queue' })
      expected.running.push((await node.startSlot(job, 1)).id)
      expected.queued.push((await node.addSlot(job, 2, 'queued')).id)
      const other = await node.createJob({ name: `skip-${index}` })
      expected.pending.push((await node.addSlot(other, 1, 'pending')).id)
      await node.addSlot(other, 2, 'skipped')
    }
    for (const state of ['pending', 'queued', 'running'] as const) {
      for (const limit of [1, 3, 4, 50]) {
        assert.deepEqual(
          [...ids(await live(node, { state, limit }))].sort(),
          expected[state].sort(),
          `${state} by ${limit}`,
        )
      }
    }
  },

  'an ended occurrence is no longer live': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await node.release(held, slotAt(1))
    assert.deepEqual([await node.liveIds('running'), await node.liveIds('pending')], [[], [held.id]])
    await node.finish(await node.claimOne(slotAt(1)))
    assert.deepEqual([await node.liveIds('running'), await node.liveIds('pending')], [[], []])
  },

  'running occurrences can be narrowed to a node, in any of its lives': async (world) => {
    const node = await TestNode.connect(world)
    const reborn = await TestNode.connect(world, 'node-a', 'node-a-2')
    const other = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'allow' })
    const first = await node.startSlot(job, 1)
    const second = await reborn.startSlot(job, 2)
    const third = await other.startSlot(job, 3)
    const of = async (name: string) => [...ids(await live(node, { state: 'running', node: name, limit: 1 }))].sort()
    assert.deepEqual(await of('node-a'), [first.id, second.id].sort())
    assert.deepEqual(await of('node-b'), [third.id])
    assert.deepEqual(await of('node'), [])
  },

  'running occurrences can be narrowed to those past a deadline, that instant included': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const first = await node.startSlot(job, 1, { executionTimeoutMs: 1_000 })
    const second = await node.startSlot(job, 2, { executionTimeoutMs: 1_000 })
    const before = async (deadlineBefore: number) =>
      [...ids(await live(node, { state: 'running', deadlineBefore, limit: 1 }))].sort()
    assert.deepEqual(await before(slotAt(1) + 999), [])
    assert.deepEqual(await before(slotAt(1) + 1_000), [first.id])
    assert.deepEqual(await before(slotAt(2) + 1_000), [first.id, second.id].sort())
    await node.finish(first)
    assert.deepEqual(await before(slotAt(9)), [second.id])
  },

  'no page omits a pending occurrence that becomes due between two pages': async (world) => {
    const node = await TestNode.connect(world)
    const jobs: JobHandle[] = []
    for (let index = 0; index < 3; index++) {
      jobs.push(await node.createJob({ name: `job-${index}`, policy: 'allow' }))
    }
    const delayed = Array.from({ length: 18 }, (_, index) => {
      const dueAt = slotAt(2) + ((index * 7) % 18) * 1000
      return requestItem(jobs[index % 3] as JobHandle, `delayed-${index}`, slotAt(1), { dueAt })
    })
    await node.createAll(delayed, slotAt(1))
    const urgent = await node.createJob({ name: 'urgent', policy: 'allow' })
    const seen: OccurrenceId[] = []
    let now = slotAt(2)
    await readPages(async (cursor) => {
      const page = await node.storage.listOccurrences({ kind: 'live', state: 'pending', runs: false, limit: 2, cursor })
      seen.push(...ids(page.items))
      // Between two pages of two occurrences each, five delayed occurrences become due.
      now += 5000
      const first = await node.addTrigger(urgent, String(now), slotAt(0), 'pending')
      assert.deepEqual(ids((await node.claim(now, { limit: 1 })).claimed), [first.id])
      return page
    })
    const stayed = new Set<string>(ids(delayed))
    assert.deepEqual(seen.filter((id) => stayed.has(id)).sort(), [...stayed].sort())
  },

  'writes between two pages neither hide nor repeat other occurrences': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const expected: string[] = []
    for (const index of [2, 4, 6]) {
      const trigger = await node.addTrigger(job, `t${index}`, slotAt(index), 'pending')
      expected.push(trigger.id)
    }
    const seen: string[] = []
    let written = 0
    await readPages(async (cursor) => {
      const page = await node.storage.listOccurrences({
        kind: 'job',
        jobId: job.id,
        order: 'ascending',
        runs: false,
        limit: 1,
        cursor,
      })
      seen.push(...ids(page.items))
      if (written < 3) await node.addTrigger(job, `early-${written++}`, slotAt(0), 'pending')
      return page
    })
    assert.deepEqual(
      seen.filter((id) => expected.includes(id)),
      expected,
    )
    assert.equal(new Set(seen).size, seen.length)
  },
})
