import assert from 'node:assert/strict'
import type { JobRecord, ReusableKey } from '@jobistemer/core/storage'
import { type JobHandle, requestId, requestItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

/** Returns a reusable key of a job, with an id that is derived from `name`. */
export function reusableKey(job: JobHandle, name: string, scope: ReusableKey['scope']): ReusableKey {
  return { id: requestId(job, name, slotAt(0)), scope }
}

export const reusableKeyCases: readonly StorageCase[] = caseGroup('reusable keys', {
  'scope live: a run blocks its key until it has ended, and the next request creates another run': async (world) => {
    const { node, request, job } = await withJob(world)
    const first = request('first', 'live', { run: true })
    expectCreated(await node.create(first), 'running')
    const blocked = expectOutcome(await node.create(request('second', 'live', { run: true })), 'exists')
    assert.deepEqual(
      [blocked.id, blocked.state, blocked.token, blocked.owner],
      [first.id, 'running', 1, node.owner],
      'the answer tells the run that blocks the key',
    )
    assert.equal((await node.history(job.id)).length, 1)
    await node.finish({ ...first, token: 1 })
    const third = request('third', 'live', { run: true })
    expectCreated(await node.create(third), 'running')
    const again = expectOutcome(await node.create(request('fourth', 'live')), 'exists')
    assert.deepEqual([again.id, again.state], [third.id, 'running'])
  },

  'scope waiting: a run blocks its key until its first start, and a run that was handed back does not block it': async (
    world,
  ) => {
    const { node, request } = await withJob(world)
    const first = request('first', 'waiting')
    expectCreated(await node.create(first), 'pending')
    const blocked = expectOutcome(await node.create(request('second', 'waiting')), 'exists')
    assert.deepEqual([blocked.id, blocked.state, blocked.token, blocked.owner], [first.id, 'pending', 0, null])
    await node.claimOne(slotAt(1))
    await node.release({ ...first, token: 1 }, slotAt(1))
    assert.equal(await node.stateOf(first), 'pending')
    expectCreated(await node.create(request('third', 'waiting')), 'pending')
  },

  'scope waiting: a queued run blocks its key': async (world) => {
    const { node, request, job } = await withJob(world, 'queue')
    await node.startSlot(job, 1)
    const first = request('first', 'waiting')
    expectCreated(await node.create(first), 'queued')
    const blocked = expectOutcome(await node.create(request('second', 'waiting')), 'exists')
    assert.deepEqual([blocked.id, blocked.state], [first.id, 'queued'])
  },

  'scope live: the key names the last of its runs, although an earlier one ends later': async (world) => {
    const { node, request } = await withJob(world)
    const first = request('first', 'waiting', { run: true })
    const second = request('second', 'waiting')
    expectCreated(await node.create(first), 'running')
    expectCreated(await node.create(second), 'pending')
    await node.finish({ ...first, token: 1 })
    const blocked = expectOutcome(await node.create(request('third', 'live')), 'exists')
    assert.deepEqual([blocked.id, blocked.state], [second.id, 'pending'])
  },

  'a request that is repeated is answered by its own record, also when that has ended': async (world) => {
    const { node, request, job } = await withJob(world)
    const item = request('first', 'live', { run: true })
    expectCreated(await node.create(item), 'running')
    const repeated = expectOutcome(await node.create(item), 'exists')
    assert.deepEqual([repeated.id ?? item.id, repeated.state, repeated.owner], [item.id, 'running', node.owner])
    await node.finish({ ...item, token: 1 })
    assert.equal(expectOutcome(await node.create(item), 'exists').state, 'completed')
    assert.equal((await node.history(job.id)).length, 1)
  },

  'the record keeps the id of its key': async (world) => {
    const { node, request, job } = await withJob(world)
    const item = request('first', 'live')
    expectCreated(await node.create(item), 'pending')
    const keyId = reusableKey(job, 'order', 'live').id
    assert.deepEqual((await node.record(item)).details, { ...item.details, keyId })
  },

  'a key is free when the run that it names was pruned': async (world) => {
    const { node, request, job } = await withJob(world)
    const first = request('first', 'live', { run: true })
    expectCreated(await node.create(first), 'running')
    await node.finish({ ...first, token: 1 })
    await node.prune({ before: slotAt(5) })
    assert.equal(await node.find(first.id), null)
    const at = slotAt(6)
    const second = requestItem(job, 'second', at, { run: true, key: reusableKey(job, 'order', 'live') })
    expectCreated(await node.create(second), 'running')
    const third = requestItem(job, 'third', at, { key: reusableKey(job, 'order', 'live') })
    assert.equal(expectOutcome(await node.create(third), 'exists').id, second.id)
  },

  'the prune of an earlier run leaves the key to the run that it names': async (world) => {
    const { node, request, job } = await withJob(world)
    const first = request('first', 'live', { run: true })
    expectCreated(await node.create(first), 'running')
    await node.finish({ ...first, token: 1 })
    const second = request('second', 'live', { run: true })
    expectCreated(await node.create(second), 'running')
    assert.equal((await node.prune({ before: slotAt(5) })).removed, 1)
    const at = slotAt(6)
    const third = requestItem(job, 'third', at, { key: reusableKey(job, 'order', 'live') })
    assert.equal(expectOutcome(await node.create(third), 'exists').id, second.id)
  },

  'a request that is skipped does not take its key': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'skip' })
    const request = (name: string, scope: ReusableKey['scope']) =>
      requestItem(job, name, slotAt(1), { run: true, key: reusableKey(job, 'order', scope) })
    const first = request('first', 'waiting')
    expectCreated(await node.create(first), 'running')
    expectCreated(await node.create(request('second', 'waiting')), 'skipped')
    const blocked = expectOutcome(await node.create(request('third', 'live')), 'exists')
    assert.deepEqual([blocked.id, blocked.state], [first.id, 'running'])
  },

  'two requests of one key in one call create one run': async (world) => {
    const { node, request, job } = await withJob(world)
    const items = ['first', 'second'].map((name) => request(name, 'live', { run: true }))
    const answers =
      node.storage.capabilities.maxBatch > 1
        ? await node.createAll(items, slotAt(1))
        : [await node.create(itemAt(items, 0)), await node.create(itemAt(items, 1))]
    expectCreated(itemAt(answers, 0), 'running')
    assert.equal(expectOutcome(itemAt(answers, 1), 'exists').id, itemAt(items, 0).id)
    assert.equal((await node.history(job.id)).length, 1)
  },

  'a live run of a request without a scope blocks the key too, and one that has ended does not': async (world) => {
    const { node, request, job } = await withJob(world)
    const { id } = reusableKey(job, 'order', 'live')
    const kept = { ...requestItem(job, 'kept', slotAt(1), { run: true }), id }
    expectCreated(await node.create(kept), 'running')
    const blocked = expectOutcome(await node.create(request('first', 'live')), 'exists')
    assert.deepEqual([blocked.id, blocked.state], [id, 'running'])
    await node.finish({ ...kept, token: 1 })
    expectCreated(await node.create(request('second', 'live')), 'pending')
  },

  'keys of two jobs are independent, and so are two keys of a job': async (world) => {
    const { node, request, job } = await withJob(world)
    expectCreated(await node.create(request('first', 'live')), 'pending')
    const other = await node.createJob({ name: 'other', policy: 'allow' })
    const elsewhere = requestItem(other, 'first', slotAt(1), { key: reusableKey(other, 'order', 'live') })
    expectCreated(await node.create(elsewhere), 'pending')
    const second = requestItem(job, 'second', slotAt(1), { key: reusableKey(job, 'another order', 'live') })
    expectCreated(await node.create(second), 'pending')
  },

  'a key that blocks comes after the judgement of the job: a stale version is refused': async (world) => {
    const { node, request, job } = await withJob(world)
    expectCreated(await node.create(request('first', 'live')), 'pending')
    const stale = { ...request('second', 'live'), jobVersion: job.version + 1 }
    expectOutcome(await node.create(stale), 'stale_version')
  },
})

async function withJob(world: Parameters<StorageCase['run']>[0], policy: 'allow' | 'queue' = 'allow') {
  const node = await TestNode.connect(world)
  // `prune` removes only occurrences before the job's next instant. Under `allow`, this function creates a job without a next
  // instant, so `prune` may remove all its ended occurrences.
  const job: JobRecord = await node.createJob({ policy, ...(policy === 'allow' && { nextAt: null }) })
  const request = (name: string, scope: ReusableKey['scope'], options: { readonly run?: boolean } = {}) =>
    requestItem(job, name, slotAt(1), { ...options, key: reusableKey(job, 'order', scope) })
  return { node, job, request }
}
