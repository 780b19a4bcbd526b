import assert from 'node:assert/strict'
import type { SettleAnswer, SettleItem } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { expectOne, itemAt } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { connectNodes, expectTold } from './race-nodes.ts'

const claimerCount = 3

/**
 * Returns the race cases of `takeNext`: one `settle` ends an occurrence and takes the next occurrence of the job. Two
 * connections send this `settle` at the same time, while other nodes claim.
 */
export function takeNextRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of ends that take the next',
    {
      'of an end that is sent twice and claims that are under way, exactly one gets the next': async (world) => {
        const nodes = await connectNodes(world, claimerCount + 2)
        const [first, second] = [itemAt(nodes, 0), itemAt(nodes, 1)]
        const claimers = nodes.slice(2)
        for (let round = 1; round <= rounds(20, effort); round++) {
          const job = await first.createJob({ name: `job-${round}`, policy: 'queue' })
          const held = await first.startSlot(job, 1)
          const next = await first.addSlot(job, 2, 'queued')
          const change = { kind: 'finish', state: 'completed', reason: null } as const
          const item: SettleItem = { ...held, sequence: 1, runs: [], change, takeNext: first.owner }
          const end = async ({ storage }: typeof first): Promise<SettleAnswer> =>
            expectOne(await storage.settle({ now: slotAt(2), items: [item] }))
          const [ends, claims] = await Promise.all([
            Promise.all([end(first), end(second)]),
            Promise.all(claimers.map((node) => node.claim(slotAt(2), { limit: 1 }))),
          ])
          const taken = ends.flatMap((answer) => (answer.outcome === 'ok' ? (answer.taken ?? []) : []))
          const repeated = ends.filter((answer) => answer.outcome === 'ok' && answer.repeated === true)
          expectTold(taken.length, ends.length, 1, `they took ${next.id}`)
          expectTold(repeated.length, ends.length, 1, 'they repeated the end')
          assert.deepEqual(
            claims.flatMap(({ claimed }) => claimed),
            [],
            `${next.id} was never pending, and was claimed`,
          )
          const record = await first.record(next)
          assert.deepEqual([record.state, record.token, record.owner], ['running', 1, first.owner])
          await first.finish(record)
        }
        await assertLedger(first.storage, { atRest: true })
      },
    },
    { depth: 'races', needs: ['takesNext'], timeoutMs: 120_000 },
  )
}
