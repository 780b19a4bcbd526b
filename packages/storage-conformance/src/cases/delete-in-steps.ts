import assert from 'node:assert/strict'
import type { JobRecord, OverlapPolicy } from '@jobistemer/core/storage'
import { requestItem } from '../stage/create-items.ts'
import { expectOne, expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const waitingCount = 10
const limit = 4
const now = slotAt(9)

/** Creates a job with one running occurrence and ten waiting ones: queued behind it, or pending under `allow`. */
async function crowdedJob(
  node: TestNode,
  policy: OverlapPolicy,
): Promise<{ job: JobRecord; held: Held; ids: string[] }> {
  const job = await node.createJob({ policy, name: policy })
  const held = await node.startSlot(job, 1)
  const items = Array.from({ length: waitingCount }, (_, index) => requestItem(job, `key-${index}`, slotAt(1) + index))
  await node.createAll(items, slotAt(2))
  return { job, held, ids: items.map(({ id }) => id) }
}

async function statesOf(node: TestNode, ids: readonly string[]): Promise<readonly string[]> {
  const { occurrences } = await node.storage.get({ occurrences: ids as never })
  return occurrences.map((record) => `${record?.state} ${record?.reason}`)
}

/** Splits a list into batches of `maxBatch` items, and calls `call` for each batch. */
async function inBatches<T>(
  { storage }: TestNode,
  list: readonly T[],
  call: (part: readonly T[]) => Promise<unknown>,
): Promise<void> {
  const { maxBatch } = storage.capabilities
  for (let from = 0; from < list.length; from += maxBatch) await call(list.slice(from, from + maxBatch))
}

const gone = (count: number): string[] => Array<string>(count).fill('canceled deleted')

/** Asserts that a claim with `sweep` starts no waiting occurrence. Returns whether occurrences are left to cancel. */
async function expectNothingStarts(node: TestNode, ids: readonly string[]): Promise<boolean> {
  const { claimed, more } = await node.claim(now, { sweep: true })
  assert.deepEqual(claimed, [])
  assert.deepEqual(
    (await statesOf(node, ids)).filter((state) => state.startsWith('running')),
    [],
  )
  return more
}

/**
 * Calls `sweep` until three calls have returned `false`, which means that nothing is left to cancel. Fails after 200 calls.
 */
async function sweepAll(sweep: () => Promise<boolean>): Promise<void> {
  let calls = 0
  for (let ends = 0; ends < 3; calls++) {
    assert.ok(calls < 200, 'the sweeps never came to an end')
    if (!(await sweep())) ends += 1
  }
}

export const deleteInStepsCases: readonly StorageCase[] = caseGroup('delete in steps', {
  'cancels no more than asked at a time, says that there is more, and comes to an end': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, ids } = await crowdedJob(node, policy)
      const canceled: string[] = []
      const first = expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
      assert.deepEqual([first.canceled.length, first.more, first.job.deletedAt], [limit, true, now])
      assert.deepEqual(await node.head(job.id), first.job)
      canceled.push(...first.canceled.map(({ id }) => id))
      for (let more = first.more; more === true; ) {
        const answer = expectOutcome(await node.deleteSome(job.id, limit, now + 1), 'saved')
        assert.ok(answer.canceled.length > 0 && answer.canceled.length <= limit, `${answer.canceled.length} at a time`)
        assert.deepEqual(answer.job, first.job)
        canceled.push(...answer.canceled.map(({ id }) => id))
        more = answer.more
      }
      assert.deepEqual(canceled.toSorted(), ids.toSorted())
      assert.deepEqual(await statesOf(node, ids), gone(waitingCount))
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 1 })
      expectOutcome(await node.deleteSome(job.id, limit, now + 2), 'absent')
    }
  },

  'says nothing of more when the limit is enough': async (world) => {
    const node = await TestNode.connect(world)
    const { job, ids } = await crowdedJob(node, 'queue')
    const answer = expectOutcome(await node.deleteSome(job.id, waitingCount, now), 'saved')
    assert.equal('more' in answer, false)
    assert.deepEqual(await statesOf(node, ids), gone(waitingCount))
  },

  'lets nothing of the rest start: not by a claim, nor when what runs ends': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, held, ids } = await crowdedJob(node, policy)
      expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
      await expectNothingStarts(node, ids)
      assert.equal(await node.finish(held, { now }), null)
      await expectNothingStarts(node, ids)
    }
  },

  'is completed by the claims of others when it is not repeated': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, held, ids } = await crowdedJob(node, policy)
      expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
      await node.finish(held, { now })
      const other = await TestNode.connect(world, 'node-b')
      await sweepAll(() => expectNothingStarts(other, ids))
      assert.deepEqual(await statesOf(node, ids), gone(waitingCount))
      assert.deepEqual(await node.counts('all'), { pending: 0, queued: 0, running: 0 })
    }
  },

  'of a paused job is completed by the claims of others too': async (world) => {
    const node = await TestNode.connect(world)
    const { job, held, ids } = await crowdedJob(node, 'allow')
    await node.pause(job.id, now)
    expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
    await node.finish(held, { now })
    await sweepAll(() => expectNothingStarts(node, ids))
    assert.deepEqual(await statesOf(node, ids), gone(waitingCount))
  },

  'leaves the occurrences of other jobs alone': async (world) => {
    const node = await TestNode.connect(world)
    const { job } = await crowdedJob(node, 'allow')
    const beta = await node.createJob({ name: 'beta' })
    const other = await node.addSlot(beta, 1, 'pending')
    expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
    assert.deepEqual(
      (await node.claim(now)).claimed.map(({ id }) => id),
      [other.id],
    )
  },

  'keeps the job from being created again until all is canceled, and each try cancels some': async (world) => {
    const node = await TestNode.connect(world)
    const { job, held, ids } = await crowdedJob(node, 'queue')
    expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
    const content = jobContent({ policy: 'queue', name: 'queue', fingerprint: 'print-2', nextAt: slotAt(20) })
    const create = { kind: 'create', id: job.id, content } as const
    const outcomes: string[] = []
    for (let tries = 0; tries < 3 && outcomes.at(-1) !== 'saved'; tries++) {
      const answer = expectOne(await node.storage.saveJobs({ now, cancelLimit: limit, changes: [create] }))
      outcomes.push(answer.outcome)
    }
    assert.deepEqual(outcomes, ['conflict', 'saved'])
    assert.deepEqual(await statesOf(node, ids), gone(waitingCount))
    assert.equal(await node.finish(held, { now }), null)
    assert.deepEqual((await node.claim(now, { sweep: true })).claimed, [])
  },

  'is no delete of another version': async (world) => {
    const node = await TestNode.connect(world)
    const { job, ids } = await crowdedJob(node, 'queue')
    const changes = [{ kind: 'delete', id: job.id, expectedVersion: 2 }] as const
    expectOutcome(expectOne(await node.storage.saveJobs({ now, cancelLimit: limit, changes })), 'conflict')
    assert.deepEqual(await statesOf(node, ids), Array<string>(waitingCount).fill('queued null'))
  },
})

export const longDeleteInStepsCases: readonly StorageCase[] = caseGroup(
  'delete in steps',
  {
    'leaves nothing behind for what is delayed: a sweep sees the rest past it': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      const held = await node.startSlot(job, 1)
      // 70 delayed occurrences: more than the step that ends the running occurrence can cancel.
      const delayed = Array.from({ length: 70 }, (_, index) =>
        requestItem(job, `later-${index}`, slotAt(1), { dueAt: slotAt(10_000) }),
      )
      const waiting = Array.from({ length: waitingCount }, (_, index) => requestItem(job, `key-${index}`, slotAt(1)))
      const items = [...delayed, ...waiting]
      await inBatches(node, items, async (some) => await node.createAll(some, slotAt(1)))
      expectOutcome(await node.deleteSome(job.id, limit, now), 'saved')
      await node.finish(held, { now })
      await sweepAll(async () => (await node.claim(now, { sweep: true })).more)
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 0 })
      const states: string[] = []
      const ids = items.map(({ id }) => id)
      await inBatches(node, ids, async (some) => states.push(...(await statesOf(node, some))))
      assert.deepEqual(states, gone(items.length))
    },
  },
  // With `maxBatch: 1` the storage receives about 170 calls, so the case has a long timeout.
  { timeoutMs: 60_000 },
)
