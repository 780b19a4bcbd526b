import type { JobId } from '@jobistemer/core'
import type {
  ClaimRequest,
  GetRequest,
  OccurrenceQuery,
  OccurrenceRecord,
  OccurrenceState,
  ReapItem,
  SettleItem,
} from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant, mutantFor } from './mutant.ts'

type State = OccurrenceState | null

const fallsWhenCanceled = 'counts: fall when an occurrence is canceled, whatever its state'
const follows = 'counts: follow an occurrence from its creation through claims and hand-backs to its end'
const followsHeads = 'counts: follow replaces, deletions and prunes'
const inOrder = 'counts: of several jobs stand in the order of the request, beside those of all'

/** Faults in what is counted: what lives, and how often an occurrence was rescued. */
export const countMutants: readonly Mutant[] = [
  mutant(
    'forgets to lower the sums on a cancel',
    [fallsWhenCanceled, followsHeads],
    class extends Ledger {
      override count(jobId: JobId, before: State, after: State) {
        super.count(jobId, after === 'canceled' ? null : before, after)
      }
    },
  ),
  mutant(
    'goes on counting what has ended',
    [follows, 'races of claims: a claim that began before a pause starts nothing once the pause was answered'],
    class extends Ledger {
      override count(jobId: JobId, before: State, after: State) {
        super.count(jobId, after === 'completed' ? null : before, after)
      }
    },
  ),
  mutant(
    'forgets the sums when it wakes',
    [follows, fallsWhenCanceled, 'model: random calls are answered as by the memory storage (seed 1)'],
    class extends Ledger {
      override count(jobId: JobId, before: State, after: State) {
        if (before !== 'queued' || after !== 'pending') super.count(jobId, before, after)
      }
    },
  ),
  mutant(
    'lowers the sums when it prunes',
    [followsHeads],
    class extends Ledger {
      override remove(record: OccurrenceRecord) {
        super.remove(record)
        super.count(record.jobId, 'running', null)
      }
    },
  ),
  mutant(
    'begins the sums of a job anew when it is created over its tombstone',
    ['counts: go on from what still runs when a deleted job is created anew'],
    class extends Ledger {
      override enact(...parameters: Parameters<Ledger['enact']>) {
        const [job] = parameters
        if (job.version > 1 && this.isDeleted(job.id)) this.sums.delete(job.id)
        return super.enact(...parameters)
      }
    },
  ),
  mutant(
    'answers the sums of all for each job',
    [inOrder],
    class extends Ledger {
      override get(request: GetRequest) {
        return { ...super.get(request), counts: (request.counts ?? []).map(() => this.countsOf('all')) }
      }
    },
  ),
  mutantFor(
    [inOrder],
    'leaves out the sums of jobs that are not there',
    class extends Ledger {
      override get(request: GetRequest) {
        const known = (request.counts ?? []).filter(
          (id) => id === 'all' || this.jobs.has(id) || request.jobs === undefined,
        )
        return { ...super.get(request), counts: known.map((id) => this.countsOf(id)) }
      }
    },
  ),
  mutantFor(
    [
      'rescues: are not raised when an owner hands an occurrence back',
      // Compares the whole record.
      'settle: a released occurrence is pending for any node, not before the given instant',
    ],
    'counts what an owner hands back as a rescue',
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const before = this.occurrences.get(item.id)
        const answer = super.settleOne(item, now)
        const record = this.occurrences.get(item.id)
        if (before?.state === 'running' && record?.state === 'pending') {
          this.put({ ...record, rescues: record.rescues + 1 })
        }
        return answer
      }
    },
  ),
  mutant(
    'forgets the rescues with a claim',
    [
      'rescues: grow by one with each reap that hands on, and are kept by claims and by the end',
      'rescues: are listed with the history of a job and with what is live',
    ],
    class extends Ledger {
      override claim(request: ClaimRequest) {
        const answer = super.claim(request)
        const taken = answer.claimed.map((record) => ({ ...record, rescues: 0 }))
        for (const record of taken) this.put(record)
        return { ...answer, claimed: taken }
      }
    },
  ),
  mutantFor(
    [
      'rescues: are raised neither by a reap that ends the occurrence, nor by one that lost, nor when the job is deleted',
    ],
    'counts a reap of what a deleted job still ran as a rescue',
    class extends Ledger {
      override reapOne(item: ReapItem, now: number) {
        const answer = super.reapOne(item, now)
        const record = this.occurrences.get(item.id)
        if (answer.outcome === 'reaped' && item.action === 'retry' && record?.state === 'canceled') {
          this.put({ ...record, rescues: record.rescues + 1 })
        }
        return answer
      }
    },
  ),
  mutantFor(
    ['rescues: are listed with the history of a job and with what is live'],
    'lists occurrences without their rescues',
    class extends Ledger {
      override listOccurrences(query: OccurrenceQuery) {
        const page = super.listOccurrences(query)
        return { ...page, items: page.items.map((record) => ({ ...record, rescues: 0 })) }
      }
    },
  ),
]
