import assert from 'node:assert/strict'
import type { OccurrenceId } from '@jobistemer/core'
import {
  compareOrder,
  type CreateItem,
  type JobRecord,
  type OccurrenceDetails,
  orderAt,
  priorityStepMs,
} from '@jobistemer/core/storage'
import { readLive, readPages } from '../ledger/read-ledger.ts'
import { recoveryItem, requestItem, runEntry } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome } from '../stage/expect.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'

/**
 * Pairs of a priority and a scheduled time in minutes. Only the last two pairs have the same position in the order of
 * waiting occurrences.
 */
const mixed: readonly (readonly [priority: number | undefined, at: number])[] = [
  [undefined, 1],
  [-1, 2],
  [1, 3],
  [undefined, 4],
  [10, 5],
  [-10, 6],
  [2, 7],
  [undefined, 9],
  [1, 69],
]

function withPriority(priority: number | undefined): OccurrenceDetails {
  return priority === undefined ? {} : { priority }
}

/** Returns triggers with the priorities of {@link mixed}, and their ids in the order in which they must start. */
function mixedItems(job: JobRecord): { readonly items: readonly CreateItem[]; readonly ids: readonly OccurrenceId[] } {
  const items = mixed.map(([priority, at], index) => {
    return requestItem(job, `mixed ${index}`, slotAt(at), { details: withPriority(priority), dueAt: slotAt(1) })
  })
  return { items, ids: items.toSorted(compareOrder).map(({ id }) => id) }
}

/** Creates a job with a running occurrence, and queues the triggers of {@link mixed} behind it. */
async function queueOf(
  world: CaseWorld,
): Promise<{ readonly node: TestNode; readonly job: JobRecord; readonly held: Held; readonly ids: readonly string[] }> {
  const node = await TestNode.connect(world)
  const job = await node.createJob({ policy: 'queue' })
  const held = await node.startSlot(job, 1)
  const { items, ids } = mixedItems(job)
  for (const answer of await node.createAll(items, slotAt(1))) expectCreated(answer, 'queued')
  return { node, job, held, ids }
}

async function trigger(node: TestNode, job: JobRecord, at: number, priority?: number): Promise<CreateItem> {
  const key = `${priority ?? 0} at ${at}`
  return await node.addTrigger(job, key, at, 'pending', { details: withPriority(priority) })
}

async function claimedIds(node: TestNode, now: number, limit?: number): Promise<readonly OccurrenceId[]> {
  const { claimed } = await node.claim(now, limit === undefined ? {} : { limit })
  return claimed.map(({ id }) => id)
}

/** Cases in which an occurrence with a higher priority starts earlier. */
export const priorityCases: readonly StorageCase[] = [
  ...caseGroup('priority', {
    'a record keeps its priority, and has none if the request gave none': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const urgent = await node.addSlot(job, 1, 'pending', { details: { priority: 10 } })
      const plain = await node.addSlot(job, 2, 'pending')
      const low = await trigger(node, job, slotAt(2), -10)
      assert.deepEqual((await node.record(urgent)).details, { priority: 10 })
      assert.deepEqual((await node.record(plain)).details, {})
      assert.deepEqual((await node.record(low)).details, { priority: -10 })
    },

    'a claim takes due occurrences of all jobs in order: each level counts as an hour of waiting': async (world) => {
      const node = await TestNode.connect(world)
      const jobs: JobRecord[] = []
      for (const name of ['alpha', 'beta', 'gamma']) jobs.push(await node.createJob({ name, policy: 'allow' }))
      const items = mixed.map(([priority, at], index) => {
        const job = jobs[index % jobs.length] as JobRecord
        const details = withPriority(priority)
        return requestItem(job, `mixed ${index}`, slotAt(at), { details, dueAt: slotAt(1) })
      })
      for (const answer of await node.createAll(items, slotAt(1))) expectCreated(answer, 'pending')
      const sorted = items.toSorted(compareOrder).map(({ id }) => id)
      assert.deepEqual(await claimedIds(node, slotAt(70)), sorted)
    },

    'a claim with a small limit takes the first ones, for any node': async (world) => {
      const node = await TestNode.connect(world)
      const other = await TestNode.connect(world, 'node-b')
      const job = await node.createJob({ policy: 'allow' })
      const { items, ids } = mixedItems(job)
      await node.createAll(items, slotAt(1))
      const first = await node.claim(slotAt(70), { limit: 1 })
      assert.deepEqual([first.claimed.map(({ id }) => id), first.more], [ids.slice(0, 1), true])
      assert.deepEqual(await claimedIds(other, slotAt(70), 3), ids.slice(1, 4))
      assert.deepEqual(await claimedIds(node, slotAt(70), 4), ids.slice(4, 8))
      const last = await other.claim(slotAt(70), { limit: 1 })
      assert.deepEqual([last.claimed.map(({ id }) => id), last.more], [ids.slice(8), false])
    },

    'an occurrence that has waited for an hour per level of difference starts first': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const since = start + minute
      const low = await trigger(node, job, since, -10)
      const sooner = await trigger(node, job, since + 20 * priorityStepMs - 1, 10)
      const later = await trigger(node, job, since + 20 * priorityStepMs + 1, 10)
      const now = since + 21 * priorityStepMs
      assert.deepEqual(await claimedIds(node, now, 1), [sooner.id])
      assert.deepEqual(await claimedIds(node, now, 1), [low.id])
      assert.deepEqual(await claimedIds(node, now, 1), [later.id])
    },

    'a priority does not change when an occurrence is due': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const delayed = { dueAt: slotAt(8), details: { priority: 10 } }
      expectCreated(await node.create(requestItem(job, 'urgent', slotAt(8), delayed), slotAt(1)), 'pending')
      const soon = { dueAt: slotAt(5), details: { priority: -10 } }
      expectCreated(await node.create(requestItem(job, 'low', slotAt(5), soon), slotAt(1)), 'pending')
      const early = await node.claim(slotAt(4))
      assert.deepEqual([early.claimed, early.more, early.nextDueAt], [[], false, slotAt(5)])
      const due = await node.claim(slotAt(5))
      assert.deepEqual([due.claimed.map(({ scheduledAt }) => scheduledAt), due.nextDueAt], [[slotAt(5)], slotAt(8)])
      const urgent = await node.claim(slotAt(8))
      assert.deepEqual([urgent.claimed.map(({ scheduledAt }) => scheduledAt), urgent.nextDueAt], [[slotAt(8)], null])
    },

    'a claim passes over paused and excepted jobs, however urgent': async (world) => {
      const node = await TestNode.connect(world)
      const paused = await node.createJob({ name: 'paused', policy: 'allow' })
      const foreign = await node.createJob({ name: 'foreign', policy: 'allow' })
      const plain = await node.createJob({ name: 'plain', policy: 'allow' })
      const first = await trigger(node, paused, slotAt(1), 10)
      const second = await trigger(node, foreign, slotAt(1), 9)
      const third = await trigger(node, plain, slotAt(1))
      expectOutcome(await node.pause(paused.id, slotAt(2)), 'saved')
      const { claimed } = await node.claim(slotAt(3), { limit: 1, exceptHandlerKeys: ['foreign'] })
      assert.deepEqual(
        claimed.map(({ id }) => id),
        [third.id],
      )
      expectOutcome(await node.resume(paused.id, slotAt(4)), 'saved')
      assert.deepEqual(await claimedIds(node, slotAt(5)), [first.id, second.id])
    },

    'each end wakes the first in that order': async (world) => {
      const { node, held, ids } = await queueOf(world)
      let running = held
      for (const id of ids) {
        assert.equal((await node.finish(running, { now: slotAt(70) }))?.id, id)
        running = await node.claimOne(slotAt(70))
        assert.equal(running.id, id)
      }
      assert.equal(await node.finish(running, { now: slotAt(70) }), null)
    },

    'a cancel and a reaping wake the first in that order': async (world) => {
      const { node, held, ids } = await queueOf(world)
      const canceled = expectOutcome(await node.cancel(held, { mode: 'force', now: slotAt(70) }), 'canceled')
      assert.equal(canceled.woken?.id, ids[0])
      const stale = await node.claimOne(slotAt(70))
      assert.equal(expectOutcome(await node.reap(stale, { now: slotAt(71) }), 'reaped').woken?.id, ids[1])
      const waiting = expectOutcome(await node.cancel(await node.record({ id: ids[1] as OccurrenceId })), 'canceled')
      assert.equal(waiting.woken?.id, ids[2])
    },

    'a job that gets places wakes the first in that order': async (world) => {
      const { node, job, ids } = await queueOf(world)
      expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 3 }), 'saved')
      assert.deepEqual(await node.liveIds('pending'), ids.slice(0, 2).sort())
      const taken = await claimedIds(node, slotAt(70))
      assert.deepEqual(taken, ids.slice(0, 2))
    },

    'when the overlap policy becomes allow, what was queued is claimed in that order': async (world) => {
      const { node, job, ids } = await queueOf(world)
      expectOutcome(await node.replaceJob(job.id, { policy: 'allow' }), 'saved')
      assert.deepEqual(await claimedIds(node, slotAt(70)), ids)
    },

    'a released occurrence keeps its place in that order': async (world) => {
      const { node, job, held, ids } = await queueOf(world)
      await node.finish(held, { now: slotAt(70) })
      const first = await node.claimOne(slotAt(70))
      await node.release(first, slotAt(70), { now: slotAt(70) })
      const other = await node.createJob({ name: 'beta', policy: 'allow' })
      const behind = await trigger(node, other, slotAt(70), 9)
      assert.deepEqual(await claimedIds(node, slotAt(71)), [ids[0], behind.id])
      // When the delayed occurrence becomes due, the storage queues it behind the running occurrence. Because of its priority,
      // it starts before all other queued occurrences.
      const delayed = requestItem(job, 'delayed', slotAt(72), { dueAt: slotAt(72), details: { priority: 10 } })
      expectCreated(await node.create(delayed, slotAt(71)), 'pending')
      assert.deepEqual(await claimedIds(node, slotAt(73)), [])
      const running = await node.record({ id: ids[0] as OccurrenceId })
      const woken = await node.finish(running, { now: slotAt(74) })
      assert.equal(woken?.id, delayed.id)
    },

    'slots that are caught up go by it too': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      const details = [undefined, -1, 1, undefined].map(withPriority)
      const entries = details.map((some, index) => runEntry(job, index + 1, some))
      expectCreated(
        await node.create(recoveryItem(job, 4, { expectedWatermark: job.watermark, entries }), slotAt(5)),
        'queued',
      )
      // The first occurrence is pending, so it starts before the queued ones, whatever their priority.
      const order: number[] = []
      for (let count = 0; count < 4; count++) {
        const held = await node.claimOne(slotAt(6))
        order.push(held.scheduledAt)
        await node.finish(held, { now: slotAt(6) })
      }
      assert.deepEqual(order, [slotAt(1), slotAt(3), slotAt(4), slotAt(2)])
    },

    'under a start rate waiting occurrences start in that order': async (world) => {
      const node = await TestNode.connect(world)
      const startRate = { limit: 1, intervalMs: minute }
      const job = await node.createJob({ policy: 'queue', maxConcurrency: 20, startRate })
      await node.startSlot(job, 1)
      const { items, ids } = mixedItems(job)
      for (const item of items) await node.create(item, slotAt(1))
      const order: OccurrenceId[] = []
      for (let index = 0; index < mixed.length; index++) order.push(...(await claimedIds(node, slotAt(70 + index))))
      assert.deepEqual(order, ids)
    },

    'one claim under a start rate starts the occurrences that it wakes in that order': async (world) => {
      const node = await TestNode.connect(world)
      const startRate = { limit: 4, intervalMs: minute }
      const job = await node.createJob({ policy: 'queue', startRate })
      await node.startSlot(job, 1)
      const { items, ids } = mixedItems(job)
      for (const item of items) expectCreated(await node.create(item, slotAt(1)), 'queued')
      expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 9, startRate }), 'saved')
      assert.deepEqual(await claimedIds(node, slotAt(70)), ids.slice(0, 4))
    },

    'an occurrence that a start wakes starts before a less urgent one': async (world) => {
      const node = await TestNode.connect(world)
      const startRate = { limit: 2, intervalMs: minute }
      const job = await node.createJob({ policy: 'queue', startRate })
      await node.startSlot(job, 1)
      const first = await node.addTrigger(job, 'first', slotAt(4), 'queued', { details: { priority: 10 } })
      const second = await node.addTrigger(job, 'second', slotAt(5), 'queued', { details: { priority: 5 } })
      const delayed = requestItem(job, 'delayed', slotAt(3), { dueAt: slotAt(3) })
      expectCreated(await node.create(delayed, slotAt(2)), 'pending')
      expectOutcome(await node.replaceJob(job.id, { policy: 'queue', maxConcurrency: 9, startRate }), 'saved')
      assert.deepEqual(await claimedIds(node, slotAt(9)), [first.id, second.id])
      assert.deepEqual(await claimedIds(node, slotAt(10)), [delayed.id])
    },

    'lists of waiting occurrences hold each once, on pages of any size; a history goes by time': async (world) => {
      const { node, job, ids } = await queueOf(world)
      const other = await node.createJob({ name: 'beta', policy: 'allow' })
      const pending = mixedItems(other)
      await node.createAll(pending.items, slotAt(1))
      for (const limit of [1, 2, 3, 7, 100]) {
        for (const [state, expected] of [
          ['queued', ids],
          ['pending', pending.ids],
        ] as const) {
          const found = await readPages((cursor) =>
            node.storage.listOccurrences({ kind: 'live', state, runs: false, limit, cursor }),
          )
          assert.deepEqual(found.map(({ id }) => id).sort(), [...expected].sort(), `${state}, by ${limit}`)
        }
        const states = ['pending', 'queued'] as const
        const order = 'ascending' as const
        const history = await readPages((cursor) =>
          node.storage.listOccurrences({ kind: 'job', jobId: job.id, states, order, runs: false, limit, cursor }),
        )
        const times = history.map(({ scheduledAt }) => scheduledAt)
        assert.deepEqual(
          times,
          [...times].sort((left, right) => left - right),
        )
        assert.equal(times.length, ids.length)
      }
    },

    'writes between two pages of waiting occurrences neither hide nor repeat the rest': async (world) => {
      const { node, job, ids } = await queueOf(world)
      const before = new Set(ids)
      const seen: OccurrenceId[] = []
      let count = 0
      await readPages(async (cursor) => {
        const page = await node.storage.listOccurrences({
          kind: 'live',
          state: 'queued',
          runs: false,
          limit: 2,
          cursor,
        })
        seen.push(...page.items.map(({ id }) => id).filter((id) => before.has(id)))
        const priority = count % 2 === 0 ? 10 : -10
        const details = { priority }
        await node.create(requestItem(job, `new ${count++}`, slotAt(2), { details }), slotAt(2))
        return page
      })
      assert.deepEqual(seen.sort(), [...ids].sort())
    },

    'an update that cancels waiting occurrences finds them in any order, a few at a time': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      await node.startSlot(job, 1)
      const priorities = [0, -3, 5, 1, -10, 10]
      for (const [index, priority] of priorities.entries()) {
        await node.addSlot(job, index + 2, 'queued', { details: { priority } })
      }
      const kept = requestItem(job, 'kept', slotAt(8), { details: { priority: 2 } })
      expectCreated(await node.create(kept, slotAt(8)), 'queued')
      const head = await node.head(job.id)
      const { name, owner, definition, handlerKey, overlap, timeline, nextAt } = head
      const change = {
        kind: 'replace',
        id: job.id,
        content: { name, owner, fingerprint: 'print-2', definition, handlerKey, overlap, timeline, nextAt },
        expectedVersion: head.version,
        expectedWatermark: head.watermark,
        waiting: 'cancel',
      } as const
      const canceled: number[] = []
      for (let more = true; more; ) {
        const answer = expectOutcome(await node.saveSome(change, 4, slotAt(9)), 'saved')
        canceled.push(...answer.canceled.map(({ scheduledAt }) => scheduledAt))
        more = answer.more === true
      }
      assert.deepEqual(
        canceled.sort((left, right) => left - right),
        priorities.map((_, index) => slotAt(index + 2)),
      )
      assert.deepEqual(await node.liveIds('queued'), [kept.id])
    },
  }),
  ...caseGroup(
    'priority when an end takes the next',
    {
      'it takes the first in that order': async (world) => {
        const { node, held, ids } = await queueOf(world)
        let running: Held = held
        for (const expected of ids) {
          const { id, jobId, scheduledAt, token } = running
          const change = { kind: 'finish', state: 'completed', reason: null } as const
          const item = { id, jobId, scheduledAt, token, sequence: 1, runs: [], change, takeNext: node.owner }
          const answer = expectOne(await node.storage.settle({ now: slotAt(70), items: [item] }))
          const { taken } = expectOutcome(answer, 'ok')
          assert.equal(taken?.id, expected)
          running = taken as Held
        }
        assert.deepEqual(await readLive(node.storage, 'queued'), [])
      },
    },
    { needs: ['takesNext'] },
  ),
]

/**
 * Checks that exactly two entries of {@link mixed} have the same position in the order of waiting occurrences. Other cases test
 * such a pair, and would otherwise test nothing.
 */
const instants = mixed.map(([priority, at]) => orderAt({ scheduledAt: slotAt(at), details: withPriority(priority) }))
assert.equal(new Set(instants).size, mixed.length - 1, 'two of the mixed ones are equal in order, and no others')
