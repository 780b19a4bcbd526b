import assert from 'node:assert/strict'
import { expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { readHistory, readPages } from '../ledger/read-ledger.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld, DamagedText } from '../storage-world.ts'

/** Damaged column values. None of them is the JSON object that the column must contain. */
const texts = ['garbage', '{"cut": ', 'null', '[]', '7']

async function damage(world: CaseWorld, damaged: DamagedText): Promise<void> {
  assert.ok(world.damage !== undefined, 'the capability `damage` needs `damage` in the world')
  await world.damage(damaged)
}

/** Returns the body of a case that runs `body` for each damaged text, each time in a new test database. */
function forEachText(body: (world: CaseWorld, text: string) => Promise<void>): StorageCase['run'] {
  return async (world) => {
    for (const text of texts) {
      try {
        await body(await world.another(), text)
      } catch (error) {
        if (error instanceof Error) error.message = `the row holds ${text}: ${error.message}`
        throw error
      }
    }
  }
}

export const damagedRowCases: readonly StorageCase[] = caseGroup(
  'damaged rows',
  {
    'a damaged definition is answered with a mark, beside intact jobs': forEachText(async (world, text) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const intact = await node.createJob({ name: 'beta' })
      await damage(world, { part: 'definition', job: job.id, version: 1, text })
      const reader = await TestNode.connect(world, 'node-b')
      const { jobs, versions } = await reader.storage.get({
        jobs: [job.id, intact.id],
        versions: [job, intact].map(({ id }) => ({ jobId: id, version: 1 })),
      })
      assert.equal(jobs[0]?.definition.unreadable, 'definition')
      assert.deepEqual(
        { id: jobs[0]?.id, version: jobs[0]?.version, watermark: jobs[0]?.watermark, nextAt: jobs[0]?.nextAt },
        { id: job.id, version: 1, watermark: start, nextAt: slotAt(1) },
      )
      assert.deepEqual(jobs[1], intact)
      assert.equal(versions[0]?.definition.unreadable, 'definition')
      assert.deepEqual(versions[1]?.definition, intact.definition)
      const listed = await readPages((cursor) => reader.storage.listJobs({ limit: 1, cursor }))
      assert.deepEqual(listed.map(({ id }) => id).sort(), [job.id, intact.id].sort())
    }),

    'a job with a damaged definition takes slots, a pause and a new definition': forEachText(async (world, text) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      await damage(world, { part: 'definition', job: job.id, version: 1, text })
      await node.finish(await node.startSlot(job, 1))
      expectOutcome(await node.pause(job.id), 'saved')
      expectOutcome(await node.resume(job.id), 'saved')
      const definition = { repaired: true }
      const { job: repaired } = expectOutcome(await node.replaceJob(job.id, { definition }), 'saved')
      assert.deepEqual([repaired.version, repaired.definition], [2, definition])
      assert.deepEqual(await node.head(job.id), repaired)
    }),

    'a job with a damaged definition can be deleted': forEachText(async (world, text) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      await node.addSlot(job, 1, 'pending')
      await damage(world, { part: 'definition', job: job.id, version: 1, text })
      expectOutcome(await node.deleteJob(job.id), 'saved')
      assert.deepEqual((await node.storage.listJobs({ limit: 9, cursor: null })).items, [])
    }),

    'a claim takes an occurrence with damaged details beside intact ones, and it can be ended': forEachText(
      async (world, text) => {
        const node = await TestNode.connect(world)
        const jobs = [await node.createJob(), await node.createJob({ name: 'beta' })]
        const [damaged, intact] = await Promise.all(
          jobs.map((job) => node.addTrigger(job, 'x', slotAt(1) - 30, 'pending', { details: { data: [1] } })),
        )
        assert.ok(damaged !== undefined && intact !== undefined)
        await damage(world, { part: 'details', occurrence: damaged, text })
        assert.equal((await node.record(damaged)).details.unreadable, 'details')
        const { claimed } = await node.claim(slotAt(1))
        const byId = new Map(claimed.map((record) => [record.id, record]))
        assert.deepEqual(byId.get(intact.id)?.details, { data: [1] })
        const held = byId.get(damaged.id)
        assert.equal(held?.details.unreadable, 'details')
        const end = { kind: 'finish', state: 'failed', reason: null } as const
        expectOutcome(await node.settle({ ...damaged, token: held?.token ?? 0 }, end), 'ok')
        const [listed] = await readHistory(node.storage, damaged.jobId)
        assert.deepEqual([listed?.state, listed?.details.unreadable], ['failed', 'details'])
        await node.prune({ before: slotAt(1) })
        assert.deepEqual(await readHistory(node.storage, damaged.jobId), [])
      },
    ),

    'a running or waiting occurrence with damaged details can be canceled and reaped': forEachText(
      async (world, text) => {
        const node = await TestNode.connect(world)
        const job = await node.createJob({ policy: 'queue' })
        const running = await node.startSlot(job, 1)
        const waiting = await node.addSlot(job, 2, 'queued')
        const last = await node.addSlot(job, 3, 'queued')
        for (const occurrence of [running, waiting]) await damage(world, { part: 'details', occurrence, text })
        const live = await node.storage.listOccurrences({
          kind: 'live',
          state: 'running',
          node: node.owner.node,
          runs: true,
          limit: 9,
          cursor: null,
        })
        assert.deepEqual(
          live.items.map(({ id, details }) => [id, details.unreadable]),
          [[running.id, 'details']],
        )
        expectOutcome(await node.reap(running, { action: 'fail' }), 'reaped')
        expectOutcome(await node.cancel(waiting, { mode: 'force' }), 'canceled')
        assert.equal(await node.stateOf(last), 'pending')
      },
    ),
  },
  { needs: ['damage'] },
)
