import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import type { FailedState, FinalState, JobRecord, OccurrenceQuery, OccurrenceRecord } from '@jobistemer/core/storage'
import { readPages } from '../ledger/read-ledger.ts'
import { exclusionItem, missedEntry, recoveryItem } from '../stage/create-items.ts'
import { expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

type FailedQuery = Partial<Omit<Extract<OccurrenceQuery, { kind: 'failed' }>, 'kind' | 'cursor'>>

const newestFirst = { order: 'descending', runs: true, limit: 100 } as const

async function failures(node: TestNode, query: FailedQuery = {}): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) => node.storage.listOccurrences({ kind: 'failed', ...newestFirst, ...query, cursor }))
}

async function failureIds(node: TestNode, query: FailedQuery = {}): Promise<readonly string[]> {
  return (await failures(node, query)).map(({ id }) => id)
}

/** Ends a running occurrence in the given state. */
async function end(node: TestNode, held: Held, state: FinalState, now: number): Promise<void> {
  expectOutcome(await node.settle(held, { kind: 'finish', state, reason: null }, { now }), 'ok')
}

/** Starts a slot of the job, and ends it in the given state. */
async function runSlot(
  node: TestNode,
  job: JobRecord,
  index: number,
  outcome: { readonly state?: FinalState; readonly now?: number } = {},
): Promise<Held> {
  const held = await node.startSlot(job, index)
  await end(node, held, outcome.state ?? 'failed', outcome.now ?? slotAt(index))
  return held
}

export const failureCases: readonly StorageCase[] = caseGroup('failures', {
  'are what failed, went stale or completed with errors, and nothing else': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const failed: Record<FailedState, string> = { failed: '', completed_with_errors: '', failed_stale: '' }
    for (const [index, state] of (['failed', 'completed_with_errors'] as const).entries()) {
      failed[state] = (await runSlot(node, job, index + 1, { state })).id
    }
    const stale = await node.startSlot(job, 3)
    expectOutcome(await node.reap(stale, { now: slotAt(4) }), 'reaped')
    failed.failed_stale = stale.id
    await runSlot(node, job, 4, { state: 'completed' })
    await runSlot(node, job, 5, { state: 'canceled' })
    await node.cancel(await node.startSlot(job, 6), { mode: 'force' })
    await node.cancel(await node.addSlot(job, 7, 'pending'))
    await node.startSlot(job, 8)
    await node.create(recoveryItem(job, 12, { expectedWatermark: slotAt(8), entries: [missedEntry(job, 9, 12)] }))
    await node.create(exclusionItem(job, 20), slotAt(12))
    assert.deepEqual([...(await failureIds(node))].sort(), Object.values(failed).sort())
  },

  'come whole, and without their runs where those are not wanted': async (world) => {
    const node = await TestNode.connect(world)
    const record = await node.record(await runSlot(node, await node.createJob(), 1))
    assert.ok(record.runs.length > 0)
    assert.deepEqual(await failures(node), [record])
    assert.deepEqual(await failures(node, { runs: false }), [{ ...record, runs: [] }])
  },

  'of all jobs come by their end, equal ones by id, in both orders, on pages of any size': async (world) => {
    const node = await TestNode.connect(world)
    const jobs: JobRecord[] = []
    for (const name of ['alpha', 'beta', 'gamma']) jobs.push(await node.createJob({ name, policy: 'allow' }))
    const held: { readonly id: string; readonly at: number }[] = []
    // Later slots end first, and several occurrences end at the same instant. So the order of the ends differs from the
    // order of the slots.
    for (const [index, job] of jobs.entries()) {
      for (const slot of [1, 2, 3, 4]) {
        const now = slotAt(20 - Math.floor((slot + index) / 2))
        held.push({ id: (await runSlot(node, job, slot, { now })).id, at: now })
      }
    }
    const rising = held.sort((one, two) => one.at - two.at || (one.id < two.id ? -1 : 1)).map(({ id }) => id)
    for (const limit of [1, 2, 5, 12, 13]) {
      assert.deepEqual(await failureIds(node, { limit, order: 'ascending' }), rising, `limit ${limit}`)
      assert.deepEqual(await failureIds(node, { limit }), rising.toReversed(), `limit ${limit}, newest first`)
    }
    const page = await node.storage.listOccurrences({ kind: 'failed', ...newestFirst, limit: 5, cursor: null })
    assert.ok(page.items.length <= 5, `a page of ${page.items.length} for the limit 5`)
  },

  'can be narrowed to a job': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ policy: 'allow' })
    const beta = await node.createJob({ name: 'beta', policy: 'allow' })
    const ofAlpha = [await runSlot(node, alpha, 1), await runSlot(node, alpha, 2), await runSlot(node, alpha, 3)]
    const ofBeta = await runSlot(node, beta, 1, { now: slotAt(2) })
    const find = async (id: JobRecord['id'], query: FailedQuery = {}) => await failureIds(node, { jobId: id, ...query })
    for (const limit of [1, 2, 3]) {
      const rising = ofAlpha.map(({ id }) => id)
      assert.deepEqual(await find(alpha.id, { limit, order: 'ascending' }), rising, `limit ${limit}`)
      assert.deepEqual(await find(alpha.id, { limit }), rising.toReversed(), `limit ${limit}, newest first`)
    }
    assert.deepEqual(await find(beta.id), [ofBeta.id])
    assert.deepEqual(await find(jobId('never')), [])
    assert.deepEqual(await find(alpha.id, { from: slotAt(2), to: slotAt(3) }), [ofAlpha[1]?.id])
  },

  'lie in a range of their end, its beginning included and its end excluded': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    // The occurrences end one hour after their slots.
    for (const index of [1, 2, 3, 4]) await runSlot(node, job, index, { now: slotAt(60 + index) })
    const ends = async (query: FailedQuery) =>
      (await failures(node, { limit: 1, ...query })).map(({ finishedAt }) => ((finishedAt ?? 0) - slotAt(60)) / 60_000)
    assert.deepEqual(await ends({ from: slotAt(62), to: slotAt(64) }), [3, 2])
    assert.deepEqual(await ends({ from: slotAt(62), to: slotAt(64), order: 'ascending' }), [2, 3])
    assert.deepEqual(await ends({ from: slotAt(62) + 1 }), [4, 3])
    assert.deepEqual(await ends({ to: slotAt(62) }), [1])
    assert.deepEqual(await ends({ to: slotAt(9) }), [])
    assert.deepEqual(await ends({ from: slotAt(62), to: slotAt(62) }), [])
  },

  'go when they are pruned, and stay when others are': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow', nextAt: slotAt(1) })
    const gone = [await runSlot(node, job, 1), await runSlot(node, job, 2, { state: 'completed_with_errors' })]
    const stale = await node.startSlot(job, 3)
    await node.reap(stale)
    const kept = await runSlot(node, job, 4)
    await node.prune({ before: slotAt(4) })
    for (const { id } of [...gone, stale]) assert.equal(await node.find(id), null)
    assert.deepEqual(await failureIds(node), [kept.id])
    assert.deepEqual(await failureIds(node, { jobId: job.id }), [kept.id])
    await node.deleteJob(job.id, slotAt(5))
    assert.deepEqual(await failureIds(node), [kept.id], 'a deleted job keeps its history')
    await node.prune({ now: slotAt(99), before: slotAt(90) })
    assert.deepEqual(await failureIds(node), [])
    assert.deepEqual(await failureIds(node, { jobId: job.id }), [])
  },

  'are those of ends that were accepted, each once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    await end(node, held, 'failed', slotAt(1))
    await end(node, held, 'failed', slotAt(2))
    const lost = await node.startSlot(job, 2)
    expectOutcome(await node.reap(lost, { action: 'retry' }), 'reaped')
    const late = await node.settle(lost, { kind: 'finish', state: 'failed', reason: null })
    assert.equal(late.outcome, 'lost')
    assert.deepEqual(await failureIds(node), [held.id])
    assert.equal((await failures(node))[0]?.finishedAt, slotAt(1))
  },

  'that come while one pages neither hide nor double the rest': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const before = [await runSlot(node, job, 1), await runSlot(node, job, 2), await runSlot(node, job, 3)]
    const seen: string[] = []
    let slot = 4
    await readPages(async (cursor) => {
      const page = await node.storage.listOccurrences({ kind: 'failed', ...newestFirst, limit: 1, cursor })
      seen.push(...page.items.map(({ id }) => id))
      if (slot < 6) await runSlot(node, job, slot++)
      return page
    })
    assert.deepEqual(seen, before.map(({ id }) => id).toReversed())
  },

  'are listed behind a cursor whose occurrence was pruned': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    // Later slots end earlier, so the list, newest first, begins with the oldest slots. `prune` removes the oldest slots first,
    // so it removes runs of the first page.
    const held: Held[] = []
    for (const index of [1, 2, 3, 4]) held.push(await runSlot(node, job, index, { now: slotAt(20 - index) }))
    const first = await node.storage.listOccurrences({ kind: 'failed', ...newestFirst, limit: 2, cursor: null })
    assert.deepEqual(
      first.items.map(({ id }) => id),
      [held[0]?.id, held[1]?.id],
    )
    assert.ok(first.cursor !== null)
    await node.prune({ before: slotAt(3) })
    const rest = await readPages((cursor) =>
      node.storage.listOccurrences({ kind: 'failed', ...newestFirst, limit: 2, cursor: cursor ?? first.cursor }),
    )
    assert.deepEqual(
      rest.map(({ id }) => id),
      [held[2]?.id, held[3]?.id],
    )
  },
})

async function latest(
  node: TestNode,
  ...ids: readonly JobRecord['id'][]
): Promise<readonly (OccurrenceRecord | null)[]> {
  const { latest: found } = await node.storage.get({ latest: ids })
  assert.ok(Array.isArray(found), `get({ latest }) answered ${JSON.stringify(found)} as latest`)
  return found
}

export const latestCases: readonly StorageCase[] = caseGroup('latest', {
  'of several jobs stand in the order of the request, null for what has none': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob({ policy: 'allow' })
    const beta = await node.createJob({ name: 'beta' })
    const idle = await node.createJob({ name: 'idle' })
    await runSlot(node, alpha, 1)
    const ofAlpha = await node.record(await runSlot(node, alpha, 2, { state: 'completed' }))
    const ofBeta = await node.record(await runSlot(node, beta, 1))
    const bare = (record: OccurrenceRecord) => ({ ...record, runs: [] })
    assert.deepEqual(await latest(node, beta.id, jobId('never'), alpha.id, idle.id, beta.id), [
      bare(ofBeta),
      null,
      bare(ofAlpha),
      null,
      bare(ofBeta),
    ])
    const { jobs, latest: none } = await node.storage.get({ jobs: [alpha.id] })
    assert.deepEqual([jobs.length, none], [1, []])
  },

  'are the last by their time, whichever ended last': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const first = await node.startSlot(job, 1)
    const second = await runSlot(node, job, 2)
    assert.deepEqual((await latest(node, job.id))[0]?.id, second.id)
    await node.finish(first, { now: slotAt(9) })
    assert.deepEqual((await latest(node, job.id))[0]?.id, second.id)
    const keys = ['a', 'b', 'c']
    const ids: string[] = []
    for (const key of keys) {
      const { id } = await node.addTrigger(job, key, slotAt(10), 'pending')
      ids.push(id)
    }
    for (const record of (await node.claim(slotAt(10))).claimed) await node.finish(record)
    assert.deepEqual((await latest(node, job.id))[0]?.id, ids.sort().at(-1), 'equal ones by id')
  },

  'were run: what was skipped, missed or canceled before it began is passed over, and so is what lives': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const ended = await runSlot(node, job, 1, { state: 'completed' })
    await node.create(exclusionItem(job, 30), slotAt(2))
    const running = await node.startSlot(job, 2)
    await node.addSlot(job, 3, 'skipped')
    await node.create(recoveryItem(job, 9, { expectedWatermark: slotAt(3), entries: [missedEntry(job, 4, 9)] }))
    assert.deepEqual((await latest(node, job.id))[0]?.id, ended.id)
    expectOutcome(await node.reap(running), 'reaped')
    assert.deepEqual((await latest(node, job.id))[0]?.state, 'failed_stale')
    await node.cancel(await node.addSlot(job, 10, 'pending'))
    assert.deepEqual((await latest(node, job.id))[0]?.state, 'failed_stale')
    await node.cancel(await node.startSlot(job, 11), { mode: 'force' })
    assert.deepEqual((await latest(node, job.id))[0]?.state, 'canceled')
  },

  'go when they are pruned': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    await runSlot(node, job, 1)
    await node.create(recoveryItem(job, 3, { expectedWatermark: slotAt(1), entries: [missedEntry(job, 2, 3)] }))
    await node.prune({ before: slotAt(3) })
    assert.deepEqual(await latest(node, job.id), [null])
    const again = await runSlot(node, job, 4)
    assert.deepEqual((await latest(node, job.id))[0]?.id, again.id)
    await node.prune({ before: slotAt(9), keep: 1 })
    assert.deepEqual((await latest(node, job.id))[0]?.id, again.id)
  },

  'stay when a deleted job is created anew': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await runSlot(node, job, 1)
    await node.deleteJob(job.id, slotAt(2))
    assert.deepEqual((await latest(node, job.id))[0]?.id, held.id)
    await node.createJob({ nextAt: slotAt(5) }, slotAt(3))
    assert.deepEqual((await latest(node, job.id))[0]?.id, held.id)
  },
})
