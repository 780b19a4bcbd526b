import assert from 'node:assert/strict'
import type { CancelAnswer, OccurrenceRecord } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { expectOutcome, itemAt } from '../stage/expect.ts'
import { requestItem } from '../stage/create-items.ts'
import { minute, second, slotAt } from '../stage/instants.ts'
import type { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { connectNodes, countOutcomes, expectTold } from './race-nodes.ts'

const claimerCount = 3

/** Race cases in which another call changes an occurrence or its job during a claim. */
export function claimRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of claims',
    {
      'a claim and a cancel of one pending occurrence agree on which of them was first': async (world) => {
        const nodes = await connectNodes(world, claimerCount + 2)
        const claimers = nodes.slice(0, claimerCount)
        const operators = nodes.slice(claimerCount)
        for (let round = 1; round <= rounds(20, effort); round++) {
          const mode = round % 2 === 0 ? 'force' : 'request'
          const job = await itemAt(nodes, 0).createJob({ name: `job-${round}`, policy: 'queue' })
          const pending = await itemAt(nodes, 0).addSlot(job, 1, 'pending')
          const [claims, cancels] = await Promise.all([
            Promise.all(claimers.map((node) => node.claim(slotAt(1), { limit: 1 }))),
            Promise.all(operators.map((node) => node.cancel(pending, { mode }))),
          ])
          const claimed = claims.flatMap((answer) => answer.claimed)
          assert.ok(claimed.length <= 1, `${claimed.length} of ${claimerCount} connections claimed ${pending.id}`)
          expectAgreement(await itemAt(nodes, 0).record(pending), claimed[0] ?? null, cancels, mode)
          await expectTokenFits(itemAt(nodes, 0), await itemAt(nodes, 0).record(pending), claimed[0] ?? null)
        }
        await assertLedger(itemAt(nodes, 0).storage)
      },

      'a claim that began before a pause starts nothing once the pause was answered': async (world) => {
        await stopWhileClaiming(world, effort, async (node, job) => {
          expectOutcome(await node.pause(job.id), 'saved')
          return 'pending'
        })
      },

      'a claim that began before a deletion starts nothing once the deletion was answered': async (world) => {
        await stopWhileClaiming(world, effort, async (node, job) => {
          expectOutcome(await node.deleteJob(job.id), 'saved')
          return 'canceled'
        })
      },

      'claims, new ones and ends side by side start no more in an interval than the rate allows, and all in the end':
        async (world) => {
          const nodes = await connectNodes(world, claimerCount + 2)
          const [creator, ender] = nodes.slice(claimerCount) as [TestNode, TestNode]
          const startRate = { limit: 2, intervalMs: minute }
          for (let round = 1; round <= rounds(8, effort); round++) {
            const options = { name: `job-${round}`, policy: 'queue', maxConcurrency: 3, startRate } as const
            const job = await creator.createJob(options)
            const waiting = Array.from({ length: 5 }, (_, index) => requestItem(job, `asked-${index}`, slotAt(1)))
            for (const item of waiting) await creator.create(item)
            for (let index = 0; index < 12; index++) {
              const now = slotAt(1) + index * 20 * second
              const running = (await ender.history(job.id)).filter(({ state }) => state === 'running')
              await Promise.all([
                ...nodes.slice(0, claimerCount).map((node) => node.claim(now)),
                creator.create(requestItem(job, `new-${index}`, now, { run: true })),
                ...running.map((held) => ender.finish(held, { now })),
              ])
            }
            let history = await ender.history(job.id)
            for (let index = 6; index < 30 && history.some(({ state }) => state !== 'completed'); index++) {
              for (const held of history) if (held.state === 'running') await ender.finish(held, { now: slotAt(index) })
              await ender.claim(slotAt(index))
              history = await ender.history(job.id)
            }
            const left = history.filter(({ state }) => state !== 'completed')
            assert.deepEqual(left, [], `${left.length} of ${history.length} never started`)
            const starts = history.map(({ startedAt }) => startedAt ?? 0).sort((first, second) => first - second)
            for (const [index, at] of starts.entries()) {
              const third = starts[index + startRate.limit]
              assert.ok(third === undefined || third - at >= minute, `three started within a minute: ${starts}`)
            }
          }
          await assertLedger(ender.storage, { atRest: true })
        },
    },
    { depth: 'races', timeoutMs: 120_000 },
  )
}

function expectAgreement(
  record: OccurrenceRecord,
  claimed: OccurrenceRecord | null,
  cancels: readonly CancelAnswer[],
  mode: 'request' | 'force',
): void {
  const { id, state, token, owner, cancelRequest } = record
  const was = `${id} was ${claimed === null ? 'not claimed' : 'claimed'} and ${cancels.map((answer) => answer.outcome).join(' and ')}`
  const canceled = countOutcomes(cancels, 'canceled')
  if (mode === 'force' || claimed === null) {
    expectTold(canceled, cancels.length, 1, `they canceled ${id}`)
    assert.equal(state, 'canceled', `${was}, and is ${state}`)
    return
  }
  assert.equal(canceled, 0, `${was}: a request cancels only waiting occurrences, and no node claims a canceled one`)
  expectTold(countOutcomes(cancels, 'requested'), cancels.length, cancels.length, `${id} runs and its owner is asked`)
  assert.deepEqual([state, token, owner], ['running', claimed.token, claimed.owner], `${was}, and is ${state}`)
  assert.ok(cancelRequest !== null, `${was}, and its owner will never hear of it`)
}

/** Checks that the storage accepts a claim's token while the occurrence runs, and only then. */
async function expectTokenFits(
  node: TestNode,
  record: OccurrenceRecord,
  claimed: OccurrenceRecord | null,
): Promise<void> {
  if (claimed === null) {
    assert.equal(record.token, 0, `${record.id} was never claimed and has the token ${record.token}`)
    return
  }
  const expected = record.state === 'running' ? 'ok' : 'lost'
  const answer = await node.settle(claimed, { kind: 'finish', state: 'completed', reason: null })
  assert.equal(answer.outcome, expected, `${record.id} is ${record.state}, and its claimant received ${answer.outcome}`)
}

/** Calls `stop` for a job while nodes claim. Asserts that no occurrence of the job starts after the answer to `stop`. */
async function stopWhileClaiming(
  world: Parameters<StorageCase['run']>[0],
  effort: Effort,
  stop: (node: TestNode, job: Awaited<ReturnType<TestNode['createJob']>>) => Promise<OccurrenceRecord['state']>,
): Promise<void> {
  const nodes = await connectNodes(world, claimerCount + 1)
  const operator = itemAt(nodes, claimerCount)
  for (let round = 1; round <= rounds(15, effort); round++) {
    const job = await operator.createJob({ name: `job-${round}`, policy: 'allow' })
    for (const index of [1, 2, 3]) await operator.addSlot(job, index, 'pending')
    const claims = nodes.slice(0, claimerCount).map((node) => node.claim(slotAt(3), { limit: 1 }))
    const stoppedState = await stop(operator, job)
    const seen = await operator.history(job.id)
    const claimed = (await Promise.all(claims)).flatMap((answer) => answer.claimed)
    for (const { id, state } of seen) {
      const after = await operator.stateOf({ id })
      assert.equal(
        after,
        state === 'running' ? 'running' : stoppedState,
        `${id} was ${state} when its job had been stopped, and is ${after} after the claims that were under way`,
      )
      const isClaimed = claimed.some((record) => record.id === id)
      const message = `${id} was ${state}, and ${isClaimed ? 'one claim' : 'no claim'} returned it`
      assert.equal(isClaimed, state === 'running', message)
    }
    for (const record of claimed) await operator.finish(record)
    if (stoppedState === 'pending') await operator.deleteJob(job.id)
  }
  await assertLedger(operator.storage)
}
