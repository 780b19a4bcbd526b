import type { JobRecord, PruneAnswer, PruneRequest } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { type Ledger, letOthersGo, type Mutant, mutants } from './mutant.ts'

/** Mutants whose `prune` removes wrong records, or gives a wrong answer. */
export const pruneMutants: readonly Mutant[] = mutants({
  'removes all history up to the floor': {
    rejectedBy: ['prune: what may stay stays, although the floor is above it'],
    removeHistory: (ledger, head, records) => {
      ledger.removeHistory(head, records)
      const { pruneFloor } = ledger.jobs.get(head.id) as JobRecord
      for (const record of ledger.historyOf(head.id)) {
        if (isFinal(record.state) && pruneFloor !== null && record.scheduledAt <= pruneFloor) ledger.remove(record)
      }
    },
  },
  'does not look at the next instant again when it removes': {
    rejectedBy: ['races of connections: a prune and a job that is set back meet, and no slot to come is lost'],
    calls: (ledger) => ({ prune: async (request) => await pruneLater(ledger, request) }),
  },
})

/**
 * A faulty prune that is not atomic. It selects the old records of a job, lets other calls run, and then removes the selected
 * records. It prunes only the first job that has removable records.
 */
async function pruneLater(ledger: Ledger, { jobId, before, keep, limit }: PruneRequest): Promise<PruneAnswer> {
  for (const head of [...ledger.jobs.values()].filter(({ id }) => jobId === null || jobId === id)) {
    const old = ledger.prunable(head, before, keep)
    const some = old.slice(0, limit)
    await letOthersGo()
    if (some.length === 0) continue
    ledger.removeHistory(ledger.jobs.get(head.id) as JobRecord, some)
    return { removed: some.length, more: some.length < old.length }
  }
  return { removed: 0, more: false }
}
