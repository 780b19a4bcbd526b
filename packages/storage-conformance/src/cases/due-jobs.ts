import assert from 'node:assert/strict'
import { type JobId, jobId } from '@jobistemer/core'
import { type DueJobs, type JobRecord, shardOf } from '@jobistemer/core/storage'
import { readPages } from '../ledger/read-ledger.ts'
import { exclusionItem, missedEntry, recoveryItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectOutcome, itemAt } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

/** An instant that is later than all slots of the cases in this file. */
const farAway = slotAt(1_000_000)

/** Reads all due jobs, on pages of `limit` jobs. */
async function findDue(
  node: TestNode,
  due: DueJobs = { upTo: farAway },
  limit: number = 100,
): Promise<readonly JobRecord[]> {
  return await readPages(async (cursor) => {
    const page = await node.storage.listJobs({ due, limit, cursor })
    assert.ok(page.items.length <= limit, `a page of ${page.items.length} for the limit ${limit}`)
    return page
  })
}

/**
 * Returns the name and the number of the next slot of each due job, such as `'alpha at 2'`. The order is the order of the
 * storage.
 */
async function placesOf(node: TestNode, due?: DueJobs, limit?: number): Promise<readonly string[]> {
  return (await findDue(node, due, limit)).map(placeOf)
}

function placeOf({ name, nextAt }: Pick<JobRecord, 'name' | 'nextAt'>): string {
  return `${name} at ${nextAt === null ? 'no instant' : (nextAt - start) / (slotAt(1) - start)}`
}

/**
 * Asserts that exactly the jobs in `expected` are due. An entry has the name of a job and the number of its next slot.
 *
 * Also queries the due jobs at the instant of each entry's slot, and asserts that the query finds the job. If a step has
 * updated the head, but not the index of due jobs, this query misses the job.
 */
async function expectDue(
  node: TestNode,
  expected: readonly (readonly [string, number])[],
  when: string,
): Promise<void> {
  const places = expected.map(([name, index]) => placeOf({ name, nextAt: slotAt(index) }))
  assert.deepEqual(await placesOf(node), places, when)
  for (const [name, index] of expected) {
    const found = await placesOf(node, { after: slotAt(index) - 1, upTo: slotAt(index) })
    const place = placeOf({ name, nextAt: slotAt(index) })
    assert.ok(found.includes(place), `${when}: at its instant ${name} is not found, but ${found.join(', ') || 'none'}`)
  }
}

function byId(left: { readonly id: JobId }, right: { readonly id: JobId }): number {
  return left.id < right.id ? -1 : 1
}

/** Creates many jobs with the same next instant. Returns the jobs, sorted by id. */
async function createMany(node: TestNode, count: number, nextAt: number): Promise<readonly JobRecord[]> {
  const size = Math.min(50, node.storage.capabilities.maxBatch)
  const names = Array.from({ length: count }, (_, index) => `job-${index}`)
  const jobs: JobRecord[] = []
  for (let first = 0; first < count; first += size) {
    const changes = names.slice(first, first + size).map((name) => {
      return { kind: 'create', id: jobId(name), content: jobContent({ name, policy: 'allow', nextAt }) } as const
    })
    for (const answer of await node.saveJobs(changes)) jobs.push(expectOutcome(answer, 'saved').job)
  }
  return jobs.sort(byId)
}

export const dueJobsCases: readonly StorageCase[] = caseGroup(
  'due jobs',
  {
    'are found by their next instants, those of one instant by id, on pages of any size': async (world) => {
      const node = await TestNode.connect(world)
      assert.deepEqual(await findDue(node), [])
      const jobs: JobRecord[] = []
      for (const [index, nextAt] of [5, 3, 3, 9, 1, 3, 5, 2].entries()) {
        jobs.push(await node.createJob({ name: `job-${index}`, nextAt: slotAt(nextAt) }))
      }
      // The next instant of this job lies before 1970, so it is a negative number.
      jobs.push(await node.createJob({ name: 'old', nextAt: -5 }, -60_000))
      const expected = jobs.toSorted((left, right) => (left.nextAt ?? 0) - (right.nextAt ?? 0) || byId(left, right))
      for (const limit of [1, 2, 3, 9, 100]) {
        assert.deepEqual(await placesOf(node, undefined, limit), expected.map(placeOf), `with the limit ${limit}`)
      }
    },

    'come as whole heads': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue', owner: 'team' })
      await node.startSlot(job, 1)
      await node.pause(job.id, start + 9)
      const page = await node.storage.listJobs({ due: { upTo: slotAt(2) }, limit: 100, cursor: null })
      assert.deepEqual(page, { items: [await node.head(job.id)], cursor: null })
    },

    'lie after the beginning of the range, and up to its end, that instant included': async (world) => {
      const node = await TestNode.connect(world)
      for (const index of [1, 2, 3, 4]) await node.createJob({ name: `job-${index}`, nextAt: slotAt(index) })
      const found = async (due: DueJobs) => (await findDue(node, due, 1)).map(({ name }) => name)
      assert.deepEqual(await found({ upTo: slotAt(2) }), ['job-1', 'job-2'])
      assert.deepEqual(await found({ upTo: slotAt(2) - 1 }), ['job-1'])
      assert.deepEqual(await found({ upTo: slotAt(1) - 1 }), [])
      assert.deepEqual(await found({ after: slotAt(2), upTo: slotAt(4) }), ['job-3', 'job-4'])
      assert.deepEqual(await found({ after: slotAt(2) - 1, upTo: slotAt(3) }), ['job-2', 'job-3'])
      assert.deepEqual(await found({ after: slotAt(4), upTo: farAway }), [])
      assert.deepEqual(await found({ after: slotAt(3), upTo: slotAt(3) }), [])
    },

    'are of the shards that are asked for': async (world) => {
      const node = await TestNode.connect(world)
      const jobs = await createMany(node, 40, slotAt(1))
      const shards = [...new Set(jobs.map(({ id }) => shardOf(id)))].sort((left, right) => left - right)
      const [first = 0] = shards
      const some = shards.filter((_, index) => index % 3 === 0)
      const others = [0, 127, 128, 255].filter((shard) => !shards.includes(shard))
      for (const wanted of [[first], some, shards, others, []]) {
        const expected = jobs.filter(({ id }) => wanted.includes(shardOf(id)))
        for (const limit of [1, 4, 100]) {
          const found = await findDue(node, { upTo: farAway, shards: wanted }, limit)
          assert.deepEqual(found, expected, `in the shards ${wanted.join(', ')}, with the limit ${limit}`)
        }
      }
    },

    'are the paused ones too, and neither deleted ones nor those whose schedule is over': async (world) => {
      const node = await TestNode.connect(world)
      const paused = await node.createJob({ name: 'paused' })
      const deleted = await node.createJob({ name: 'deleted' })
      const over = await node.createJob({ name: 'over', nextAt: null })
      const ending = await node.createJob({ name: 'ending' })
      await node.pause(paused.id)
      await node.deleteJob(deleted.id)
      await node.addSlot(ending, 1, 'pending', { nextAt: null })
      await expectDue(node, [['paused', 1]], 'the paused one alone')
      await node.replaceJob(over.id, { nextAt: slotAt(4) })
      await node.replaceJob(ending.id, { nextAt: slotAt(3) })
      await node.replaceJob(paused.id, { nextAt: null })
      const due = [
        ['ending', 3],
        ['over', 4],
      ] as const
      await expectDue(node, due, 'a schedule that was over begins again, one that had none ends')
      await node.resume(paused.id)
      await expectDue(node, due, 'a resume brings no instant')
    },

    'move on with their slots, whatever becomes of these': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      await node.startSlot(job, 1)
      await expectDue(node, [['alpha', 2]], 'after a slot that started')
      await node.addSlot(job, 2, 'skipped')
      await expectDue(node, [['alpha', 3]], 'after a slot that was skipped')
      await node.pause(job.id)
      await node.addSlot(job, 3, 'skipped')
      await expectDue(node, [['alpha', 4]], 'after a slot of a pause')
      expectOutcome(await node.create(slotItem(job, 3)), 'exists')
      expectOutcome(await node.create(slotItem(job, 9)), 'off_schedule')
      expectOutcome(await node.create(slotItem(job, 4, { version: 7 })), 'stale_version')
      await expectDue(node, [['alpha', 4]], 'after slots that were refused')
      await node.addTrigger(job, 'by-hand', slotAt(8), 'skipped')
      await expectDue(node, [['alpha', 4]], 'after a trigger')
    },

    'move on past a prefetched slot': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      expectOutcome(await node.create(exclusionItem(job, 1), start), 'created')
      await expectDue(node, [['alpha', 1]], 'after the exclusion')
      expectOutcome(await node.create(slotItem(job, 1)), 'exists')
      await expectDue(node, [['alpha', 2]], 'after the slot that it excludes')
    },

    'move on with a recovery': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const entries = [missedEntry(job, 1, 2), runEntry(job, 3)]
      expectOutcome(await node.create(recoveryItem(job, 3, { expectedWatermark: start, entries })), 'created')
      await expectDue(node, [['alpha', 4]], 'after a recovery')
      expectOutcome(await node.create(recoveryItem(job, 5, { expectedWatermark: slotAt(3), entries: [] })), 'created')
      await expectDue(node, [['alpha', 6]], 'after one without entries')
      expectOutcome(await node.create(recoveryItem(job, 9, { expectedWatermark: start, entries: [] })), 'off_schedule')
      await expectDue(node, [['alpha', 6]], 'after one that came too late')
      const last = recoveryItem(job, 7, { expectedWatermark: slotAt(5), entries: [], nextAt: null })
      expectOutcome(await node.create(last), 'created')
      await expectDue(node, [], 'after one that ends the schedule')
    },

    'move with a replace, also back': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      await node.addSlot(job, 1, 'pending')
      expectOutcome(await node.replaceJob(job.id, { nextAt: slotAt(7) }), 'saved')
      await expectDue(node, [['alpha', 7]], 'after a replace')
      const { watermark } = await node.head(job.id)
      const belated = { expectedVersion: 1, expectedWatermark: watermark, waiting: 'keep' } as const
      const content = jobContent({ nextAt: slotAt(9), fingerprint: 'other' })
      expectOutcome(await node.saveJob({ kind: 'replace', id: job.id, content, ...belated }), 'conflict')
      await expectDue(node, [['alpha', 7]], 'after a replace that lost')
      expectOutcome(await node.replaceJob(job.id, { nextAt: slotAt(4), fingerprint: 'print-3' }, 'cancel'), 'saved')
      await expectDue(node, [['alpha', 4]], 'after a replace to an earlier instant')
      expectOutcome(await node.setBack(job.id, { setBackTo: start, nextAt: slotAt(1) }), 'saved')
      await expectDue(node, [['alpha', 1]], 'after the watermark was set back')
    },

    'leave with a delete, and come back with a create over the tombstone': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      await node.startSlot(job, 1)
      await node.addSlot(job, 2, 'queued')
      await node.deleteSome(job.id, 1, slotAt(2))
      await expectDue(node, [], 'after a delete')
      await node.createJob({ nextAt: slotAt(6) }, slotAt(3))
      await expectDue(node, [['alpha', 6]], 'after a create over the tombstone')
    },

    'stay when history is pruned, and leave nothing behind when a tombstone goes': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const beta = await node.createJob({ name: 'beta', nextAt: slotAt(4) })
      await node.finish(await node.startSlot(job, 1))
      await node.deleteJob(beta.id)
      await node.prune({ before: slotAt(9) })
      await expectDue(node, [['alpha', 2]], 'after a prune')
      assert.equal(await node.findHead(beta.id), null)
      await node.createJob({ name: 'beta', nextAt: slotAt(12) }, slotAt(10))
      const due = [
        ['alpha', 2],
        ['beta', 12],
      ] as const
      await expectDue(node, due, 'after a job of that name was created again')
    },

    'move on together when their slots come in one call': async (world) => {
      const node = await TestNode.connect(world)
      const jobs = await createMany(node, 40, slotAt(1))
      const size = Math.min(jobs.length, node.storage.capabilities.maxBatch)
      for (let first = 0; first < jobs.length; first += size) {
        const items = jobs.slice(first, first + size).map((job, index) => {
          // The schedule of every fifth job has no further slot. The slot of every third job stays pending.
          const nextAt = index % 5 === 4 ? null : slotAt(2 + (index % 3))
          return slotItem(job, 1, { run: index % 3 !== 0, nextAt })
        })
        for (const answer of await node.createAll(items, slotAt(1))) expectOutcome(answer, 'created')
      }
      const heads = await Promise.all(jobs.map(async ({ id }) => await node.head(id)))
      const expected = heads
        .filter(({ nextAt }) => nextAt !== null)
        .sort((left, right) => (left.nextAt ?? 0) - (right.nextAt ?? 0) || byId(left, right))
      assert.deepEqual((await findDue(node, undefined, 7)).map(placeOf), expected.map(placeOf))
      const job = itemAt(jobs, 1)
      const { nextAt } = await node.head(job.id)
      const next = Math.round(((nextAt ?? start) - start) / (slotAt(1) - start))
      const several = [0, 1, 2].map((offset) => slotItem(job, next + offset, { run: true }))
      const allowed = several.slice(0, node.storage.capabilities.maxBatch)
      await node.createAll(allowed, slotAt(next + 2))
      const moved = (await findDue(node)).filter(({ id }) => id === job.id)
      assert.deepEqual(moved, [await node.head(job.id)], 'after several slots of one job')
    },

    'every connection finds at once a job that another one moved': async (world) => {
      const first = await TestNode.connect(world, 'node-a')
      const second = await TestNode.connect(world, 'node-b')
      const job = await first.createJob()
      await expectDue(second, [['alpha', 1]], 'after a create')
      await second.addSlot(job, 1, 'pending')
      await expectDue(first, [['alpha', 2]], 'after a slot')
      await first.replaceJob(job.id, { nextAt: slotAt(5) })
      await expectDue(second, [['alpha', 5]], 'after a replace')
      await second.deleteJob(job.id)
      await expectDue(first, [], 'after a delete')
    },

    'are found once each by cursor, also when others move on between the pages': async (world) => {
      const node = await TestNode.connect(world)
      const sameInstant = await createMany(node, 9, slotAt(1))
      const seen: string[] = []
      const upTo = slotAt(1)
      let pages = 0
      await readPages(async (cursor) => {
        const page = await node.storage.listJobs({ due: { upTo }, limit: 2, cursor })
        seen.push(...page.items.map(({ id }) => id))
        // Creates slots between the reads of two pages. Each creation moves the next instant of its job:
        // - After each page, creates the slot of its last job. The cursor then names a job that has left its position in the
        //   list.
        // - After the first page, also creates the slot of a job that no page has listed yet.
        const last = page.items.at(-1)
        if (last !== undefined) await node.addSlot(last, 1, 'pending')
        if (pages++ === 0) await node.addSlot(itemAt(sameInstant, 6), 1, 'pending')
        return page
      })
      const expected = sameInstant.filter((_, index) => index !== 6).map(({ id }) => id)
      assert.deepEqual(seen, expected)
    },

    'many of one instant are found, page by page': async (world) => {
      const node = await TestNode.connect(world)
      const jobs = await createMany(node, 250, slotAt(1))
      const found = await findDue(node, { upTo: slotAt(1) }, 33)
      assert.deepEqual(
        found.map(({ id }) => id),
        jobs.map(({ id }) => id),
      )
    },

    'two sets of data do not find the jobs of each other': async (world) => {
      const here = await TestNode.connect(world)
      const there = await TestNode.connect(await world.another())
      await here.createJob()
      assert.deepEqual(await findDue(there), [])
      await there.createJob({ nextAt: slotAt(3) })
      await expectDue(here, [['alpha', 1]], 'here')
      await expectDue(there, [['alpha', 3]], 'there')
    },
  },
  { needs: ['findsDueJobs'], timeoutMs: 60_000 },
)
