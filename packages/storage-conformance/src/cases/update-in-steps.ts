import assert from 'node:assert/strict'
import type { JobChange, JobRecord, OccurrenceAddress, OverlapPolicy } from '@jobistemer/core/storage'
import { slotItem } from '../stage/create-items.ts'
import { expectOutcome } from '../stage/expect.ts'
import { second, slotAt } from '../stage/instants.ts'
import { jobContent, type JobOptions } from '../stage/job-content.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const waitingCount = 10
const limit = 4
/** An instant after all slots of {@link crowdedJob}. */
const now = slotAt(waitingCount + 2)

type Replace = Extract<JobChange, { readonly kind: 'replace' }>

/** Creates a job with one running slot and ten waiting slots: queued behind it, or pending under `allow`. */
async function crowdedJob(
  node: TestNode,
  policy: OverlapPolicy,
  name: string = policy,
): Promise<{ job: JobRecord; held: Held; slots: OccurrenceAddress[] }> {
  const job = await node.createJob({ policy, name })
  const held = await node.startSlot(job, 1)
  const slots: OccurrenceAddress[] = []
  for (let index = 2; index < waitingCount + 2; index++) {
    slots.push(await node.addSlot(job, index, policy === 'allow' ? 'pending' : 'queued'))
  }
  return { job: await node.head(job.id), held, slots }
}

/**
 * Returns a change that replaces the definition of a job. The change applies only if the job still has the version and the
 * watermark of `job`. {@link TestNode.saveSome} cancels a limited number of waiting occurrences per call. So a test sends the
 * same change in several calls.
 */
function update(job: JobRecord, options: JobOptions = {}, waiting: 'keep' | 'cancel' = 'cancel'): Replace {
  const { id, name, version, watermark, nextAt, overlap } = job
  const content = jobContent({ name, policy: overlap.policy, nextAt, fingerprint: `print-${version + 1}`, ...options })
  return { kind: 'replace', id, content, expectedVersion: version, expectedWatermark: watermark, waiting }
}

async function statesOf(node: TestNode, addresses: readonly OccurrenceAddress[]): Promise<readonly string[]> {
  const { occurrences } = await node.storage.get({ occurrences: addresses.map(({ id }) => id) })
  return occurrences.map((record) => `${record?.state} ${record?.reason}`)
}

const gone = (count: number): string[] => Array<string>(count).fill('canceled updated')

/** Claims several times, as nodes do after an interrupted update. Returns the ids of all started occurrences. */
async function claimAll(node: TestNode, claims = 4): Promise<readonly string[]> {
  const started: string[] = []
  for (let count = 0; count < claims; count++) {
    started.push(...(await node.claim(now, { sweep: true })).claimed.map(({ id }) => id))
  }
  return started
}

/** Repeats a change until nothing is left to cancel, or another caller has completed the change. */
async function saveAll(node: TestNode, change: JobChange): Promise<void> {
  for (;;) {
    const answer = await node.saveSome(change, limit, now)
    if (answer.outcome === 'unchanged' || expectOutcome(answer, 'saved').more !== true) return
  }
}

export const updateInStepsCases: readonly StorageCase[] = caseGroup('update in steps', {
  'cancels no more than asked at a time, says that there is more, and comes to an end': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, slots } = await crowdedJob(node, policy)
      const change = update(job)
      const canceled: string[] = []
      const first = expectOutcome(await node.saveSome(change, limit, now), 'saved')
      assert.deepEqual([first.canceled.length, first.more], [limit, true])
      assert.deepEqual([first.job.version, first.job.cancelsBelow, first.job.changedAt], [2, 2, now])
      assert.deepEqual(await node.head(job.id), first.job)
      canceled.push(...first.canceled.map(({ id }) => id))
      for (let more = first.more; more === true; ) {
        const answer = expectOutcome(await node.saveSome(change, limit, now + 1), 'saved')
        assert.ok(answer.canceled.length > 0 && answer.canceled.length <= limit, `${answer.canceled.length} at a time`)
        assert.deepEqual(answer.job, { ...first.job, cancelsBelow: answer.more === true ? 2 : null })
        canceled.push(...answer.canceled.map(({ id }) => id))
        more = answer.more
      }
      assert.deepEqual(canceled.toSorted(), slots.map(({ id }) => id).toSorted())
      assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 1 })
      assert.deepEqual(await node.saveSome(change, limit, now), { outcome: 'unchanged', job: await node.head(job.id) })
    }
  },

  'needs no second step if the waiting occurrences equal its limit': async (world) => {
    const node = await TestNode.connect(world)
    const { job, slots } = await crowdedJob(node, 'queue')
    const answer = expectOutcome(await node.saveSome(update(job), waitingCount, now), 'saved')
    assert.equal('more' in answer, false)
    assert.equal(answer.job.cancelsBelow, null)
    assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
  },

  'lets nothing of the rest start: not by a claim, nor when what runs ends': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, held } = await crowdedJob(node, policy)
      expectOutcome(await node.saveSome(update(job), limit, now), 'saved')
      assert.deepEqual((await node.claim(now)).claimed, [])
      assert.equal(await node.finish(held, { now }), null)
      assert.deepEqual(await claimAll(node), [])
    }
  },

  'is completed by the claims of others when it is not repeated': async (world) => {
    for (const policy of ['queue', 'allow'] as const) {
      const node = await TestNode.connect(world)
      const { job, held, slots } = await crowdedJob(node, policy)
      const state = policy === 'allow' ? 'pending' : 'queued'
      const kept = await node.addTrigger(job, 'kept', slotAt(4) + second, state)
      await node.finish(held, { now })
      expectOutcome(await node.saveSome(update(job), limit, now), 'saved')
      const other = await TestNode.connect(world, 'node-b')
      assert.deepEqual(await claimAll(other), [kept.id])
      assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 1 })
    }
  },

  'of a paused job is completed when that goes on, and nothing of the rest starts': async (world) => {
    const node = await TestNode.connect(world)
    const { job, slots } = await crowdedJob(node, 'allow')
    await node.pause(job.id, now)
    expectOutcome(await node.saveSome(update(job), limit, now), 'saved')
    assert.deepEqual(await claimAll(node), [])
    await node.resume(job.id, now)
    assert.deepEqual(await claimAll(node), [])
    assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
  },

  'keeps triggers and replays between them, in the order of their time': async (world) => {
    const node = await TestNode.connect(world)
    const { job, held, slots } = await crowdedJob(node, 'queue')
    const later = await node.addTrigger(job, 'later', slotAt(9) + second, 'queued')
    const sooner = await node.addTrigger(job, 'sooner', slotAt(3) + second, 'queued', { kind: 'replay' })
    const change = update(job)
    expectOutcome(await node.saveSome(change, limit, now), 'saved')
    await node.finish(held, { now })
    const started: string[] = []
    for (let turns = 0; turns < 4; turns++) {
      for (const record of (await node.claim(now, { sweep: true })).claimed) {
        started.push(record.id)
        await node.finish(record, { now })
      }
    }
    assert.deepEqual(started, [sooner.id, later.id])
    await saveAll(node, change)
    assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
    assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 0 })
  },

  'wakes what is kept under `allow`, and nothing else': async (world) => {
    const node = await TestNode.connect(world)
    const { job } = await crowdedJob(node, 'queue')
    const kept = await node.addTrigger(job, 'kept', slotAt(4) + second, 'queued')
    const change = update(job, { policy: 'allow' })
    await saveAll(node, change)
    assert.deepEqual(await node.counts(job.id), { pending: 1, queued: 0, running: 1 })
    assert.deepEqual(await claimAll(node), [kept.id])
  },

  'keeps what was running: handed back, it is finished': async (world) => {
    for (const how of ['release', 'reap'] as const) {
      const node = await TestNode.connect(world)
      const { job, held, slots } = await crowdedJob(node, 'queue', how)
      const change = update(job)
      expectOutcome(await node.saveSome(change, limit, now), 'saved')
      if (how === 'release') await node.release(held, now, { now })
      else expectOutcome(await node.reap(held, { now, action: 'retry' }), 'reaped')
      await saveAll(node, change)
      assert.deepEqual(await claimAll(node), [held.id])
      assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
    }
  },

  'leaves them out where a new slot meets the overlap rule': async (world) => {
    for (const options of [{ policy: 'skip' }, { policy: 'queue', maxQueued: 1 }, { policy: 'queue_one' }] as const) {
      const node = await TestNode.connect(world)
      const { job, held, slots } = await crowdedJob(node, 'queue', options.policy)
      expectOutcome(await node.saveSome(update(job, options), limit, now), 'saved')
      if (options.policy === 'skip') await node.finish(held, { now })
      const slot = slotItem(await node.head(job.id), waitingCount + 2, { run: true })
      const { state, displaced } = expectOutcome(await node.create(slot, now), 'created')
      assert.deepEqual([state === 'skipped', displaced], [false, []])
      if (options.policy !== 'skip') await node.finish(held, { now })
      await claimAll(node)
      assert.equal(await node.stateOf(slot), 'running')
      assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
    }
  },

  'continues under a later version, and keeps the slots of both versions': async (world) => {
    const node = await TestNode.connect(world)
    const { job, slots } = await crowdedJob(node, 'allow')
    const change = update(job)
    expectOutcome(await node.saveSome(change, limit, now), 'saved')
    const own = await node.addSlot(await node.head(job.id), waitingCount + 2, 'pending')
    const later = expectOutcome(await node.saveSome(update(await node.head(job.id), {}, 'keep'), limit, now), 'saved')
    const fresh = await node.addSlot(later.job, waitingCount + 3, 'pending')
    await saveAll(node, change)
    assert.deepEqual(await statesOf(node, slots), gone(waitingCount))
    assert.deepEqual(await statesOf(node, [own, fresh]), ['pending null', 'pending null'])
    assert.deepEqual([(await node.head(job.id)).version, (await node.head(job.id)).cancelsBelow], [3, null])
  },

  'is taken over by a later update that cancels, and by a delete': async (world) => {
    const node = await TestNode.connect(world)
    const { job, slots } = await crowdedJob(node, 'allow')
    const first = update(job)
    expectOutcome(await node.saveSome(first, limit, now), 'saved')
    const own = await node.addSlot(await node.head(job.id), waitingCount + 2, 'pending')
    const another = { ...first, content: { ...first.content, fingerprint: 'print-9' } }
    expectOutcome(await node.saveSome(another, limit, now), 'conflict')
    expectOutcome(await node.saveSome(update(await node.head(job.id)), 1, now), 'saved')
    expectOutcome(await node.saveSome(first, limit, now), 'conflict')
    const states = await statesOf(node, [...slots, own])
    assert.deepEqual(states, [...gone(limit + 1), ...Array<string>(waitingCount - limit).fill('pending null')])
    const deleted = expectOutcome(await node.deleteSome(job.id, 100, now), 'saved')
    assert.deepEqual([deleted.canceled.length, deleted.job.cancelsBelow], [waitingCount - limit, null])
    expectOutcome(await node.saveSome(first, limit, now), 'absent')
  },
})
