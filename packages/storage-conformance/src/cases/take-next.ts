import assert from 'node:assert/strict'
import type { JobRecord, OccurrenceRecord, SettleAnswer } from '@jobistemer/core/storage'
import { requestItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome, itemAt } from '../stage/expect.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'

type Accepted = Extract<SettleAnswer, { readonly outcome: 'ok' }>

/** Ends an occurrence, and takes the next queued occurrence of its job in the same step. */
async function endAndTake(
  node: TestNode,
  held: Held,
  options: { readonly now?: number; readonly taker?: TestNode; readonly sequence?: number } = {},
): Promise<Accepted> {
  const { id, jobId, scheduledAt, token } = held
  const { now = slotAt(9), taker = node, sequence = 1 } = options
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  const item = { id, jobId, scheduledAt, token, sequence, runs: [], change, takeNext: taker.owner }
  return expectOutcome(expectOne(await node.storage.settle({ now, items: [item] })), 'ok')
}

/** Creates a job with one running occurrence and `count` queued occurrences. */
async function queueOf(
  world: CaseWorld,
  queued: number,
): Promise<{ readonly node: TestNode; readonly job: JobRecord; readonly held: Held; readonly ids: readonly string[] }> {
  const node = await TestNode.connect(world)
  const job = await node.createJob({ policy: 'queue' })
  const held = await node.startSlot(job, 1)
  const ids: string[] = []
  for (let index = 2; index < 2 + queued; index++) ids.push((await node.addSlot(job, index, 'queued')).id)
  return { node, job, held, ids }
}

export const takeNextCases: readonly StorageCase[] = caseGroup(
  'take next',
  {
    'an end takes the next queued occurrence, as a claim would': async (world) => {
      const { node, job, held, ids } = await queueOf(world, 2)
      const [first, second] = ids
      const before = await node.record({ id: first as OccurrenceRecord['id'] })
      const answer = await endAndTake(node, held)
      const expected = {
        ...before,
        state: 'running',
        token: 1,
        sequence: 0,
        owner: node.owner,
        startedAt: slotAt(9),
        deadlineAt: slotAt(9) + before.executionTimeoutMs,
      }
      assert.deepEqual(answer, { outcome: 'ok', woken: null, cancelRequested: null, taken: expected })
      assert.deepEqual(await node.record(before), expected)
      assert.equal(await node.stateOf(held), 'completed')
      assert.deepEqual(await node.liveIds('running'), [first])
      assert.deepEqual(await node.liveIds('queued'), [second])
      assert.deepEqual(
        (await node.claim(slotAt(9))).claimed,
        [],
        'no claim takes the occurrence that the end has taken',
      )
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 1, running: 1 })
    },

    'an end takes the next as often as the start rate allows, and wakes it for its time otherwise': async (world) => {
      const node = await TestNode.connect(world)
      const startRate = { limit: 2, intervalMs: 10 * minute }
      const job = await node.createJob({ policy: 'queue', startRate })
      const held = await node.startSlot(job, 1)
      const ids: string[] = []
      for (let index = 2; index <= 4; index++) ids.push((await node.addSlot(job, index, 'queued')).id)
      const first = await endAndTake(node, held, { now: slotAt(5) })
      assert.equal(first.taken?.id, ids[0])
      assert.deepEqual((await node.head(job.id)).starts, [slotAt(1), slotAt(5)])
      const second = await endAndTake(node, first.taken as OccurrenceRecord, { now: slotAt(6) })
      assert.deepEqual([second.taken, second.woken?.id], [undefined, ids[1]])
      const [woken] = (await node.history(job.id)).filter(({ state }) => state === 'pending')
      assert.deepEqual([woken?.id, woken?.reason, woken?.dueAt], [ids[1], 'start_rate', slotAt(11)])
      assert.equal((await node.claimOne(slotAt(11))).id, ids[1])
    },

    'a queue is worked off by ends alone, in its order': async (world) => {
      const { node, job, held, ids } = await queueOf(world, 4)
      const taken: string[] = []
      let running = held
      for (;;) {
        const answer = await endAndTake(node, running)
        if (answer.taken === undefined) break
        taken.push(answer.taken.id)
        running = answer.taken
      }
      assert.deepEqual(taken, ids)
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 0 })
      assert.deepEqual(await node.liveIds('pending'), [])
    },

    'what is taken has its owner’s token: a reaper finds it, and its end wakes the next': async (world) => {
      const { node, held, ids } = await queueOf(world, 2)
      const { taken } = await endAndTake(node, held)
      assert.ok(taken !== undefined)
      expectOutcome(await node.reap(taken, { action: 'retry', now: slotAt(20) }), 'reaped')
      const again = await node.claimOne(slotAt(20))
      assert.deepEqual([again.id, again.token], [ids[0], 2])
      assert.equal((await node.finish(again))?.id, ids[1])
    },

    'the taken occurrence belongs to the owner named in takeNext': async (world) => {
      const { node, held } = await queueOf(world, 1)
      const other = await TestNode.connect(world, 'node-b')
      const { taken } = await endAndTake(node, held, { taker: other })
      assert.deepEqual(taken?.owner, other.owner)
      assert.ok(taken !== undefined)
      expectOutcome(await other.cancel(taken, { mode: 'request' }), 'requested')
      assert.deepEqual(
        (await other.claim(slotAt(9))).cancelRequested.map(({ id }) => id),
        [taken.id],
      )
    },

    'a repeated end says that it was repeated, and takes no second one': async (world) => {
      const { node, held, ids } = await queueOf(world, 2)
      await endAndTake(node, held)
      for (let time = 0; time < 2; time++) {
        const repeated = await endAndTake(node, held, { now: slotAt(10) })
        assert.deepEqual(repeated, { outcome: 'ok', woken: null, cancelRequested: null, repeated: true })
      }
      assert.deepEqual(await node.liveIds('running'), [ids[0]])
      assert.deepEqual(await node.liveIds('queued'), [ids[1]])
    },

    'a repeated end takes nothing if the first one found no queued occurrence': async (world) => {
      const { node, job, held } = await queueOf(world, 0)
      assert.deepEqual(await endAndTake(node, held), { outcome: 'ok', woken: null, cancelRequested: null })
      const running = await node.startSlot(job, 2)
      await node.addSlot(job, 3, 'queued')
      const repeated = await endAndTake(node, held)
      assert.deepEqual(repeated, { outcome: 'ok', woken: null, cancelRequested: null, repeated: true })
      assert.deepEqual(await node.liveIds('running'), [running.id])
    },

    'an owner that has lost its occurrence takes nothing': async (world) => {
      const { node, held, ids } = await queueOf(world, 1)
      const change = { kind: 'finish', state: 'completed', reason: null } as const
      const item = { ...held, token: 7, sequence: 1, runs: [], change, takeNext: node.owner }
      expectOutcome(expectOne(await node.storage.settle({ now: slotAt(9), items: [item] })), 'lost')
      assert.deepEqual(await node.liveIds('queued'), ids)
    },

    'neither progress nor a release takes anything': async (world) => {
      const { node, held, ids } = await queueOf(world, 1)
      for (const [sequence, change] of [
        [1, { kind: 'progress' }],
        [2, { kind: 'release', dueAt: slotAt(9), reason: 'shutdown' }],
      ] as const) {
        const item = { ...held, sequence, runs: [], change, takeNext: node.owner }
        const answer = expectOne(await node.storage.settle({ now: slotAt(9), items: [item] }))
        assert.deepEqual(answer, { outcome: 'ok', woken: null, cancelRequested: null })
      }
      assert.deepEqual(await node.liveIds('queued'), ids)
    },

    'of a paused job the next is woken, and waits': async (world) => {
      const { node, job, held, ids } = await queueOf(world, 1)
      await node.pause(job.id)
      const { taken, woken } = await endAndTake(node, held)
      assert.equal(taken, undefined)
      assert.equal(woken?.id, ids[0])
      assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
      await node.resume(job.id)
      assert.equal((await node.claimOne(slotAt(9))).id, ids[0])
    },

    'the next of a job whose pause has ended is taken': async (world) => {
      const { node, job, held, ids } = await queueOf(world, 1)
      await node.pause(job.id, start, slotAt(9))
      const { taken } = await endAndTake(node, held, { now: slotAt(9) })
      assert.equal(taken?.id, ids[0])
    },

    'what is not due yet is woken, and waits for its time': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      const held = await node.startSlot(job, 1)
      // Slot 2 is created early, by another node whose clock is ahead.
      const early = await node.addSlot(job, 2, 'queued')
      const { taken, woken } = await endAndTake(node, held, { now: slotAt(2) - 1 })
      assert.equal(taken, undefined)
      assert.equal(woken?.id, early.id)
      assert.equal((await node.claimOne(slotAt(2))).id, early.id)
    },

    'an end takes a queued occurrence that is due at the same instant': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      const held = await node.startSlot(job, 1)
      const early = await node.addSlot(job, 2, 'queued')
      assert.equal((await endAndTake(node, held, { now: slotAt(2) })).taken?.id, early.id)
    },

    'of a deleted job nothing is taken': async (world) => {
      const { node, job, held } = await queueOf(world, 2)
      await node.deleteSome(job.id, 1)
      const answer = await endAndTake(node, held)
      assert.deepEqual([answer.taken, answer.woken], [undefined, null])
      assert.deepEqual(await node.liveIds('running'), [])
    },

    'while another of the job is active nothing is taken': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const first = await node.startSlot(job, 1)
      const second = await node.startSlot(job, 2)
      await node.replaceJob(job.id, { policy: 'queue' })
      const item = requestItem({ ...job, version: 2 }, 'behind', slotAt(3))
      expectCreated(await node.create(item), 'queued')
      assert.equal((await endAndTake(node, first)).taken, undefined)
      assert.equal((await endAndTake(node, second)).taken?.id, item.id)
    },

    'an end takes the next for one of many places, and no more than that': async (world) => {
      for (const places of [4, 5, 12]) {
        const node = await TestNode.connect(world)
        const job = await node.createJob({ name: `places-${places}`, policy: 'queue', maxConcurrency: places })
        const running: Held[] = []
        for (let index = 1; index <= places; index++) running.push(await node.startSlot(job, index))
        const first = await node.addSlot(job, places + 1, 'queued')
        await node.addSlot(job, places + 2, 'queued')
        const { taken, woken } = await endAndTake(node, itemAt(running, 1), { now: slotAt(99) })
        assert.deepEqual([taken?.id, woken], [first.id, null], `${places} places`)
        assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 1, running: places })
      }
    },

    'while more of the job run than there are places nothing is taken': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const running: Held[] = []
      for (let index = 1; index <= 8; index++) running.push(await node.startSlot(job, index))
      await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 3 })
      const version = { ...job, version: 2 }
      const first = await node.addTrigger(version, 'first', slotAt(9), 'queued', { run: true })
      const second = await node.addTrigger(version, 'second', slotAt(10), 'queued', { run: true })
      for (const held of running.slice(0, 5)) {
        const { taken, woken } = await endAndTake(node, held, { now: slotAt(20) })
        assert.deepEqual([taken, woken], [undefined, null])
      }
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 2, running: 3 })
      assert.equal((await endAndTake(node, itemAt(running, 5), { now: slotAt(20) })).taken?.id, first.id)
      assert.deepEqual(await node.liveIds('queued'), [second.id])
    },

    'what an update has left is canceled on the way, and not taken': async (world) => {
      const { node, job, held } = await queueOf(world, 2)
      const kept = await node.addTrigger(job, 'kept', slotAt(5), 'queued')
      const { nextAt, watermark } = await node.head(job.id)
      const content = jobContent({ policy: 'queue', nextAt, fingerprint: 'print-2' })
      const expected = { expectedVersion: 1, expectedWatermark: watermark }
      await node.saveSome({ kind: 'replace', id: job.id, content, ...expected, waiting: 'cancel' }, 1)
      assert.equal((await endAndTake(node, held)).taken?.id, kept.id)
      const states = (await node.history(job.id)).map(({ state }) => state)
      assert.deepEqual(states, ['completed', 'canceled', 'canceled', 'running'])
    },

    'what was handed back before keeps its task runs, and gets the next token': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const first = await node.startSlot(job, 1)
      const second = await node.startSlot(job, 2)
      await node.release(second, slotAt(2))
      const before = await node.record(second)
      await node.replaceJob(job.id, { policy: 'queue' })
      // The claim moves `second` back to `queued`, because another occurrence of the job is active.
      assert.deepEqual((await node.claim(slotAt(3))).claimed, [])
      assert.equal(await node.stateOf(second), 'queued')
      const { taken } = await endAndTake(node, first)
      assert.deepEqual([taken?.id, taken?.token, taken?.runs], [second.id, 2, before.runs])
    },

    'in one call each end takes the next of its own job': async (world) => {
      const node = await TestNode.connect(world)
      const items = []
      const expected: string[] = []
      for (const name of ['alpha', 'beta', 'gamma']) {
        const job = await node.createJob({ name, policy: 'queue' })
        const held = await node.startSlot(job, 1)
        expected.push((await node.addSlot(job, 2, 'queued')).id)
        const change = { kind: 'finish', state: 'failed', reason: 'fail_fast' } as const
        items.push({ ...held, sequence: 1, runs: [], change, takeNext: node.owner })
      }
      const answers = await node.storage.settle({ now: slotAt(9), items })
      assert.deepEqual(
        answers.map((answer) => expectOutcome(answer, 'ok').taken?.id),
        expected,
      )
      assert.deepEqual(await node.liveIds('running'), expected.sort())
    },
  },
  { needs: ['takesNext'] },
)
