import assert from 'node:assert/strict'
import type { CancelItem, CreateRequested, JobRecord, SettleItem } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { requestItem } from '../stage/create-items.ts'
import { itemAt } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { succeeded } from '../stage/task-runs.ts'
import type { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { atOnce, connectNodes } from './race-nodes.ts'

const nodeCount = 6

/** Race cases in which several nodes send batches about the same jobs. */
export function batchRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of batches',
    {
      'batches over the same jobs in opposite orders are all answered right, and no deadlock reaches a caller': async (
        world,
      ) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const jobCount = Math.min(6, first.storage.capabilities.maxBatch)
        const jobs: JobRecord[] = []
        for (let index = 0; index < jobCount; index++) {
          jobs.push(await first.createJob({ name: `job-${index}`, policy: 'allow' }))
        }
        await atOnce(nodes, async (node, index) => {
          const ordered = index % 2 === 0 ? jobs : jobs.toReversed()
          for (let round = 1; round <= rounds(5, effort); round++) await passThrough(node, ordered, `${index}-${round}`)
        })
        const states = new Set<string>()
        for (const job of jobs) for (const { state } of await first.history(job.id)) states.add(state)
        // Each node cancels its occurrences of every second job, and completes its other occurrences. With `maxBatch: 1`
        // there is only one job, whose occurrences all complete.
        const expected = jobCount === 1 ? ['completed'] : ['canceled', 'completed']
        assert.deepEqual([...states].sort(), expected, 'each occurrence ends as its node wanted')
        await assertLedger(first.storage, { atRest: true })
      },
    },
    { depth: 'races', timeoutMs: 120_000 },
  )
}

/** Moves one occurrence of each job from its creation to its end, with one batch per step. */
async function passThrough(node: TestNode, jobs: readonly JobRecord[], key: string): Promise<void> {
  const created = jobs.map((job) => requestItem(job, key, slotAt(1), { run: true }))
  expectAll('created', await node.createAll(created, slotAt(1)), 'create')
  const progress = created.map((item) => settleItem(item, 1, { kind: 'progress' }))
  expectAll('ok', await node.storage.settle({ now: slotAt(1), items: progress }), 'settle progress')
  const asked = created.map((item) => cancelItem(item, 'request'))
  expectAll('requested', await node.storage.cancel({ now: slotAt(2), items: asked }), 'request to cancel')
  await node.saveJobs(
    jobs.map(({ id }) => ({ kind: 'pause', id, paused: null })),
    start,
  )
  const even = created.filter((_, index) => index % 2 === 0)
  const finished = even.map((item) => settleItem(item, 2, { kind: 'finish', state: 'completed', reason: null }))
  expectAll('ok', await node.storage.settle({ now: slotAt(3), items: finished }), 'settle the end')
  const odd = created.filter((_, index) => index % 2 === 1)
  const forced = odd.map((item) => cancelItem(item, 'force'))
  expectAll('canceled', await node.storage.cancel({ now: slotAt(3), items: forced }), 'cancel by force')
}

function settleItem(item: CreateRequested, sequence: number, change: SettleItem['change']): SettleItem {
  const { id, jobId, scheduledAt } = item
  return { id, jobId, scheduledAt, token: 1, sequence, runs: succeeded(scheduledAt, scheduledAt), change }
}

function cancelItem({ id, jobId, scheduledAt }: CreateRequested, mode: CancelItem['mode']): CancelItem {
  return { id, jobId, scheduledAt, reason: 'not needed', actor: null, mode }
}

function expectAll(outcome: string, answers: readonly { readonly outcome: string }[], what: string): void {
  const others = answers.filter((answer) => answer.outcome !== outcome)
  assert.equal(
    others.length,
    0,
    `${others.length} of ${answers.length} items of a batch (${what}) were not answered '${outcome}': ${JSON.stringify(others[0])}`,
  )
}
